# Midfill's commands. Each installs what it needs first, once: a stamp file in .venv
# remembers which lock was installed, and only a newer lock installs again.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory
SHELL := /bin/sh

VENV := .venv
BIN := $(VENV)/bin

# The first Python of 3.11 to 3.13 on PATH; `make PYTHON=/path/to/python3.12` overrides.
FITS := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
	$$python -c '$(FITS)' 2>/dev/null && command -v $$python && break; done)

# CUDA where an NVIDIA GPU answers; MIDFILL_DEVICE=cpu or cuda overrides.
DETECTED := $(shell { nvidia-smi -L 2>/dev/null | grep -q '^GPU ' \
	|| ls /dev/nvidia[0-9]* >/dev/null 2>&1; } && echo cuda || echo cpu)
DEVICE := $(or $(filter-out auto,$(MIDFILL_DEVICE)),$(DETECTED))
ifeq ($(filter $(DEVICE),cpu cuda),)
$(error MIDFILL_DEVICE is "$(MIDFILL_DEVICE)"; it must be cpu, cuda or auto)
endif

RUNTIME := $(VENV)/.installed-$(DEVICE)
TOOLS := $(VENV)/.installed-dev
INSTALL := requirements/install.py requirements/uv.txt

# The tests that need a GPU run where there is one.
CPU_ONLY := $(if $(filter cpu,$(DEVICE)), and not gpu)
WORKERS ?= 2

# What needs editors, Ray or tools of deployment has a target of its own.
SUITE := --ignore tests/editors --ignore tests/deploy --ignore tests/containers

.PHONY: help
help: ## List these targets
	@echo 'usage: make TARGET [MIDFILL_DEVICE=cpu|cuda]   (here: $(DEVICE))'
	@echo
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/  \1|\2/p' Makefile \
		| awk -F'|' '{ printf "%-22s%s\n", $$1, $$2 }'

.PHONY: demo
demo: $(RUNTIME) ## Complete at marked cursors of the example files
	@$(BIN)/midfill demo

.PHONY: test
test: test-fast test-engine ## Run the test suite, but for what `make nightly` runs

.PHONY: test-fast
test-fast: $(RUNTIME) $(TOOLS) ## Run the tests that start no engine
	$(BIN)/python -m pytest $(SUITE) -m 'not engine and not slow$(CPU_ONLY)' -n $(WORKERS)

.PHONY: test-engine
test-engine: $(RUNTIME) $(TOOLS) ## Run the tests that start vLLM
	$(BIN)/python -m pytest $(SUITE) -m 'engine and not slow$(CPU_ONLY)' -n $(WORKERS) \
		--dist loadfile

.PHONY: test-slow
test-slow: $(RUNTIME) $(TOOLS) ## Run the slow tests, which `make test` leaves out
	$(BIN)/python -m pytest $(SUITE) -m 'slow$(CPU_ONLY)' --durations=15

# Hypothesis has new examples each time here, and the same ones in `make test`.
.PHONY: coverage
coverage: $(RUNTIME) $(TOOLS) ## Measure which lines the tests without an engine run
	$(BIN)/python -m pytest $(SUITE) -m 'not engine and not slow$(CPU_ONLY)' -n $(WORKERS) \
		--hypothesis-profile=explore --cov --cov-report=term

.PHONY: nightly
nightly: coverage test-slow test-deploy-slow test-containers ## Run what takes too long for each change

# The extension's own tests need Node.js, which is obtained like the editors.
VSCODE := $(dir $(wildcard editors/vscode/package.json))
WITH_NODE := PATH="$(CURDIR)/.editors/bin:$$PATH"
IN_VSCODE = $(WITH_NODE) npm --prefix $(VSCODE)
NODE_FITS := process.exit(parseInt(process.versions.node) < 20)

# An editor that stumbles on a busy machine gets a second try, which the output shows.
EDITOR_TESTS = $(BIN)/python -m pytest -m 'not gpu and not installs' -n $(WORKERS) \
	--no-loadscope-reorder tests/editors

.PHONY: test-editors
test-editors: install-editors ## Test Midfill in the real editors
	@$(EDITOR_TESTS) --durations=15 || { echo 'Once more, with new editors, what failed:'; \
	$(EDITOR_TESTS) --last-failed --last-failed-no-failures none; }

# Both beside each other, as each often waits; what one says is shown when it ends, and if
# one fails the other goes on. Ray, which gives up what starts too slowly, goes first.
.PHONY: test-deploy
test-deploy: install-deploy ## Test containers' files, Kubernetes' manifests, Ray and stores
	@$(MAKE) -j 2 --keep-going --output-sync=target test-ray test-deploy-files

ON_RAY := $(wildcard tests/deploy/test_ray_*.py)

.PHONY: test-ray
test-ray: install-deploy ## Test Midfill on Ray alone: half of test-deploy
	$(BIN)/python -m pytest -m 'not gpu and not slow' $(ON_RAY) --durations=15

.PHONY: test-deploy-files
test-deploy-files: install-deploy ## Test what deploy/ has without Ray: the other half
	nice $(BIN)/python -m pytest -m 'not gpu and not slow' tests/deploy --durations=15 \
		$(addprefix --ignore ,$(ON_RAY)) -n $(WORKERS) --dist loadfile

.PHONY: test-deploy-slow
test-deploy-slow: install-deploy ## Test what takes minutes: two real engines in Ray, stores
	$(BIN)/python -m pytest -m 'slow and not gpu' tests/deploy --durations=15

.PHONY: test-containers
test-containers: install-deploy ## Build the images, run them as another user, complete and stop them
	$(BIN)/python -m pytest -o faulthandler_timeout=1860 tests/containers --durations=10

.PHONY: images
images: ## Build midfill:cpu, midfill:cuda and midfill:ray with docker, podman or buildah
	@test -n '$(BUILDER)' || { echo 'None of docker, podman and buildah is on PATH.' >&2; exit 1; }
	@for image in cpu cuda ray; do $(BUILDER) --file deploy/docker/Dockerfile.$$image \
		--build-arg REVISION=$$(git rev-parse HEAD) --tag midfill:$$image . || exit; done

# A health check is no part of OCI's format, so the others are asked for Docker's.
BUILDER = $(or $(if $(shell command -v docker),docker build),\
	$(if $(shell command -v podman),podman build --format docker),\
	$(if $(shell command -v buildah),buildah build --format docker))

# Of an environment that is made as an image's is, unless SBOM_OF names another Python.
SBOM ?= build/midfill-$(DEVICE).cdx.json
.PHONY: sbom
sbom: .venv-deploy/.installed ## List what an image's environment holds, as CycloneDX
	@test -n '$(SBOM_OF)' || { $(PYTHON) requirements/install.py build/image-$(DEVICE) $(DEVICE) \
		&& $(PYTHON) requirements/install.py build/image-$(DEVICE) s3; }
	@.venv-deploy/bin/cyclonedx-py environment --output-reproducible --sv 1.6 \
		--outfile $(SBOM) $(or $(SBOM_OF),build/image-$(DEVICE)/bin/python)
	@echo '$(SBOM)'

.PHONY: test-setup
test-setup: install-editors ## Test VS Code's one-click set-up of a whole server
	$(BIN)/python -m pytest tests/editors/vscode/test_setup.py

.PHONY: screenshots
screenshots: install-editors ## Record the pictures of the editors into docs/images
	$(BIN)/python tests/editors/neovim/record_neovim.py
	$(BIN)/python tests/editors/vscode/record_vscode.py

.PHONY: vsix
vsix: $(RUNTIME) ## Build VS Code's extension with the server in it: a .vsix file
	@$(WITH_NODE) && npm --version >/dev/null 2>&1 && node -e '$(NODE_FITS)' \
		|| PYTHONPATH=tests/editors $(BIN)/python -m obtain npm
	@$(IN_VSCODE) ci --no-audit --no-fund
	@$(IN_VSCODE) run package
	@ls -l $(VSCODE)*.vsix

.PHONY: lint
lint: $(RUNTIME) $(TOOLS) ## Check format, style, types and import direction
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

.PHONY: format
format: $(TOOLS) ## Format the code and fix what can be fixed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: doctor
doctor: $(RUNTIME) ## Check this machine: can Midfill complete code here?
	@$(BIN)/midfill doctor

.PHONY: bench
bench: $(RUNTIME) ## Measure the server against raw vLLM, and a storm of cancellations
	$(BIN)/python -m benchmarks.lsp_overhead
	$(BIN)/python -m benchmarks.cancel_storm

.PHONY: mutants
mutants: $(RUNTIME) $(TOOLS) $(VENV)/.installed-mutants ## Do the tests notice a changed line?
	$(BIN)/python -m benchmarks.mutants

.PHONY: install
install: $(RUNTIME) ## Install Midfill and its engine into .venv

.PHONY: install-dev
install-dev: $(RUNTIME) $(TOOLS) ## Install the development tools as well

.PHONY: install-editors
install-editors: $(TOOLS) $(VENV)/.installed-editors ## Obtain the editors that are tested
	@PYTHONPATH=tests/editors $(BIN)/python -m obtain

.PHONY: install-s3
install-s3: $(VENV)/.installed-s3 ## Install what keeps models in S3, and signs them

.PHONY: install-ray
install-ray: $(VENV)/.installed-ray ## Install Ray Serve, for `midfill ray`

.PHONY: install-deploy
install-deploy: $(TOOLS) $(VENV)/.installed-ray .venv-deploy/.installed ## Obtain what tests deploy/

.PHONY: install-training
install-training: $(VENV)/.installed-training ## Install what measures and makes models

.PHONY: install-quantize
install-quantize: .venv-quantize/.installed ## Make auto-gptq's own environment

.PHONY: install-gptqmodel
install-gptqmodel: $(VENV)/.installed-gptqmodel ## Install GPTQModel beside the engine

.PHONY: wheel
wheel: $(RUNTIME) ## Build the wheel and import what is in it
	rm -rf dist build/wheel
	$(BIN)/uv build --quiet --wheel --no-build-isolation --python $(BIN)/python --out-dir dist
	$(BIN)/uv pip install --quiet --no-deps --target build/wheel dist/*.whl
	$(BIN)/python -I requirements/check_wheel.py build/wheel

.PHONY: lock
lock: $(RUNTIME) ## Resolve the locked requirements again (UPGRADE=1: newest versions)
	$(COMPILE) requirements/uv.in -o requirements/uv.txt
	$(COMPILE) pyproject.toml --extra cpu requirements/build.in requirements/torch-cpu.in \
		--override requirements/cpu-overrides.txt -o requirements/cpu.txt
	$(COMPILE) pyproject.toml --extra cuda requirements/build.in -o requirements/cuda.txt
	$(COMPILE) pyproject.toml --extra s3 -c requirements/cpu.txt -c requirements/cuda.txt \
		-o requirements/s3.txt
	$(COMPILE) pyproject.toml --extra training -c requirements/cpu.txt \
		-c requirements/cuda.txt -c requirements/s3.txt \
		--override requirements/training-overrides.txt -o requirements/training.txt
	$(COMPILE) pyproject.toml --extra s3 --extra training --extra dev \
		-c requirements/cpu.txt -c requirements/cuda.txt -c requirements/s3.txt \
		-c requirements/training.txt --override requirements/training-overrides.txt \
		-o requirements/dev.txt
	$(COMPILE) pyproject.toml --extra mutants -c requirements/dev.txt \
		-c requirements/cpu.txt -c requirements/cuda.txt -o requirements/mutants.txt
	$(COMPILE) pyproject.toml --extra editors -c requirements/cpu.txt \
		-c requirements/cuda.txt -c requirements/dev.txt -o requirements/editors.txt
	$(COMPILE) pyproject.toml --extra ray -c requirements/cpu.txt -c requirements/cuda.txt \
		-c requirements/dev.txt -c requirements/s3.txt \
		--override requirements/training-overrides.txt -o requirements/ray.txt
	$(COMPILE) requirements/deploy-tools.in -o requirements/deploy-tools.txt
	$(COMPILE) requirements/quantize.in requirements/torch-cpu.in \
		--override requirements/quantize-overrides.txt -o requirements/quantize.txt
	$(COMPILE) requirements/gptqmodel.in -c requirements/cpu.txt -c requirements/cuda.txt \
		--override requirements/gptqmodel-overrides.txt -o requirements/gptqmodel.txt
	$(COMPILE) requirements/gptqmodel-build.in -o requirements/gptqmodel-build.txt

COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 \
	--generate-hashes --no-annotate --custom-compile-command 'make lock' \
	$(if $(UPGRADE),--upgrade)

.PHONY: clean
clean: ## Remove the environments and everything that was built
	rm -rf $(VENV) .venv-quantize .venv-deploy .editors build dist htmlcov .coverage .coverage.* \
		.mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# One runtime lives in .venv at a time: installing one device forgets the other.
$(VENV)/.installed-cpu: requirements/cpu.txt requirements/torch-cpu.txt
$(VENV)/.installed-cuda: requirements/cuda.txt
$(RUNTIME): $(INSTALL) pyproject.toml | python
	@$(PYTHON) requirements/install.py $(VENV) $(DEVICE)
	@rm -f $(VENV)/.installed-cpu $(VENV)/.installed-cuda
	@touch $@

$(VENV)/.installed-s3: requirements/s3.txt $(INSTALL) | $(RUNTIME)
	@$(PYTHON) requirements/install.py $(VENV) s3
	@touch $@

$(VENV)/.installed-training: requirements/training.txt $(INSTALL) | $(RUNTIME)
	@$(PYTHON) requirements/install.py $(VENV) training
	@touch $@

$(VENV)/.installed-ray: requirements/ray.txt $(INSTALL) | $(RUNTIME)
	@$(PYTHON) requirements/install.py $(VENV) ray
	@touch $@

.venv-deploy/.installed: requirements/deploy-tools.txt $(INSTALL) | python
	@$(PYTHON) requirements/install.py .venv-deploy deploy-tools
	@touch $@

$(TOOLS): requirements/dev.txt $(INSTALL) | $(RUNTIME)
	@$(PYTHON) requirements/install.py $(VENV) dev
	@touch $@

$(VENV)/.installed-mutants: requirements/mutants.txt $(INSTALL) | $(RUNTIME)
	@$(PYTHON) requirements/install.py $(VENV) mutants
	@touch $@

$(VENV)/.installed-editors: requirements/editors.txt $(INSTALL) | $(RUNTIME)
	@$(PYTHON) requirements/install.py $(VENV) editors
	@touch $@

.venv-quantize/.installed: requirements/quantize.txt requirements/torch-cpu.txt $(INSTALL) | python
	@$(PYTHON) requirements/install.py .venv-quantize quantize
	@touch $@

$(VENV)/.installed-gptqmodel: requirements/gptqmodel.txt requirements/gptqmodel-build.txt $(INSTALL) | $(RUNTIME)
	@$(PYTHON) requirements/install.py $(VENV) gptqmodel
	@touch $@

.PHONY: python
python:
	@test -n '$(PYTHON)' || { \
		echo 'Midfill needs Python 3.11, 3.12 or 3.13, and none is on PATH.' >&2; \
		echo 'Install one, or name it: make PYTHON=/path/to/python3.12' >&2; exit 1; }
