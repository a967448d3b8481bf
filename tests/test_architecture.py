"""The import direction holds, and its contracts notice when it does not."""

import ast
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("lsp_server", "models")


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run import-linter on the packages of a folder."""
    program = Path(sys.executable).with_name("lint-imports")
    return subprocess.run(
        [program, "--no-cache"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def imported_by(path: Path) -> Iterator[str]:
    """Give the modules that a file imports, those inside functions included."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=str(module)):
                yield module


def importers_of(*names: str) -> set[str]:
    """Give the files that import a package, relative to the repository."""
    return {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        if any(module.partition(".")[0] in names for module in imported_by(path))
    }


def test_contracts_hold() -> None:
    """Every contract of pyproject.toml is kept."""
    checked = lint_imports(ROOT)
    assert 0 == checked.returncode, checked.stdout


@pytest.mark.parametrize(
    ("module", "statement", "contract"),
    [
        (
            "lsp_server/engine/base.py",
            "import lsp_server.prompt",
            "Imports point downwards",
        ),
        (
            "lsp_server/values.py",
            "import lsp_server.config",
            "Imports point downwards",
        ),
        (
            "lsp_server/service/backend.py",
            "import lsprotocol",
            "Only protocol/ knows LSP",
        ),
        (
            "lsp_server/engine/base.py",
            "import vllm",
            "Only the engine and its plugin know vLLM",
        ),
        (
            "lsp_server/engine/base.py",
            "import models.manifest",
            "Only service/, commands/ and doctor/ reach for a model folder",
        ),
        (
            "lsp_server/service/backend.py",
            "import models.registry.pull",
            "Only commands/ reaches for the registry of models",
        ),
        ("models/registry/pull.py", "import boto3", "Only two modules know boto3"),
        (
            "lsp_server/config.py",
            "import models.quantize",
            "Only commands/ reaches for the quantisation pipeline",
        ),
        (
            "lsp_server/config.py",
            "import models.corpus",
            "Corpus builder and training are no part of the server",
        ),
        (
            "models/manifest.py",
            "import lsp_server.settings",
            "models/ knows only errors, values and prompts of the server",
        ),
        (
            "models/eval/report.py",
            "import lsp_server.protocol.client",
            "models/ knows only errors, values and prompts of the server",
        ),
        (
            "models/manifest.py",
            "import lsp_server.engine.base",
            "models/ knows only errors, values and prompts of the server",
        ),
        (
            "lsp_server/service/backend.py",
            "import models.eval.sandbox",
            "Only commands/ and training reach for the evaluation",
        ),
        ("lsp_server/brand_new.py", "import json", "brand_new"),
    ],
)
def test_broken_contract_is_noticed(
    tmp_path: Path, module: str, statement: str, contract: str
) -> None:
    """A planted import against the direction, or a module without a layer, is told."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for package in PACKAGES:
        shutil.copytree(
            ROOT / package,
            tmp_path / package,
            ignore=shutil.ignore_patterns("*.safetensors", "*.json", "__pycache__"),
        )
    with (tmp_path / module).open("a", encoding="utf-8") as file:
        file.write(f"\n{statement}\n")
    checked = lint_imports(tmp_path)
    assert checked.returncode
    broken = [line for line in checked.stdout.splitlines() if "KEPT" not in line]
    assert contract in "\n".join(broken)


def test_language_server_protocol_stays_in_its_layer() -> None:
    """pygls and lsprotocol are named by files of protocol/ alone."""
    importers = importers_of("pygls", "lsprotocol")
    assert importers
    assert {p for p in importers if not p.startswith("lsp_server/protocol/")} == set()


def test_vllm_stays_in_its_adapters() -> None:
    """vLLM is named by the engine and the plugin alone."""
    adapters = (
        "vllm_engine",
        "vllm_launch",
        "executor",
        "cpu_int4",
        "cpu_vnni",
        "hold_v1",
        "hold_v2",
    )
    expected = {f"lsp_server/engine/{name}.py" for name in adapters}
    assert importers_of("vllm") == expected


def test_boto3_stays_in_its_adapter() -> None:
    """boto3 and botocore are named by what speaks to stores alone."""
    adapter = {"models/registry/s3.py", "models/registry/s3_faults.py"}
    assert importers_of("boto3", "botocore") == adapter


def test_torch_stays_in_the_engine() -> None:
    """PyTorch is named by engine/, doctor's probe, and what makes models."""
    importers = importers_of("torch")
    allowed = (
        "lsp_server/engine/",
        "lsp_server/doctor/torch_probe.py",
        "models/quantize/",
        "models/train/",
    )
    assert {p for p in importers if not p.startswith(allowed)} == set()
