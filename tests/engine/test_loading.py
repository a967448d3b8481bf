"""vLLM can be imported without compiling sources or holding up other threads."""

import contextlib
import gc
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lsp_server.engine.loading import unblocked

#: A program with a stand-in for each package that is compiled or loaded.
PACKAGES = {
    "torch/__init__.py": "",
    "vllm/__init__.py": "import torch",
    "vllm/engine/__init__.py": "",
    "vllm/engine/arg_utils.py": "",
    "vllm/v1/__init__.py": "",
    "vllm/v1/engine/__init__.py": "",
    "vllm/v1/engine/async_llm.py": "",
}
ENSURE = """
import sys
from lsp_server.engine.loading import ensure_bytecode
ensure_bytecode()
print(sys.pycache_prefix, sys.dont_write_bytecode, "vllm" in sys.modules)
"""


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    """A folder with packages named like vLLM and PyTorch, without bytecode."""
    folder = tmp_path / "packages"
    for name, text in PACKAGES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def ensure_bytecode(packages: Path, cache: Path, **environment: str) -> str:
    """Run `ensure_bytecode` in a process that finds these packages first."""
    variables = {
        **{k: v for k, v in os.environ.items() if not k.startswith("PYTHON")},
        "PYTHONPATH": str(packages),
        "XDG_CACHE_HOME": str(cache),
        **environment,
    }
    command = [sys.executable, "-c", ENSURE]
    return subprocess.run(
        command, env=variables, capture_output=True, text=True, check=True, timeout=60
    ).stdout.strip()


def compiled(folder: Path) -> set[str]:
    """The names of the modules below a folder that have bytecode."""
    return {path.name.partition(".")[0] for path in folder.rglob("*.pyc")}


def test_missing_bytecode_is_made_by_another_process(
    packages: Path, tmp_path: Path
) -> None:
    """It goes beside the sources; this process has imported nothing for it."""
    assert "None False False" == ensure_bytecode(packages, tmp_path)
    assert {"__init__", "arg_utils", "async_llm"} == compiled(packages)


def test_forbidden_bytecode_goes_to_the_cache(packages: Path, tmp_path: Path) -> None:
    """Not beside the sources, and once it is there, it is not made again."""
    cache = tmp_path / "midfill" / "bytecode"
    forbidden = {"PYTHONDONTWRITEBYTECODE": "1"}
    assert f"{cache} False False" == ensure_bytecode(packages, tmp_path, **forbidden)
    assert set() == compiled(packages)
    assert {"arg_utils", "async_llm"} < compiled(cache)
    next(cache.rglob("async_llm*.pyc")).unlink()
    ensure_bytecode(packages, tmp_path, **forbidden)
    assert "async_llm" not in compiled(cache)


def test_present_bytecode_is_used(packages: Path, tmp_path: Path) -> None:
    """No process is started, and the user's choice not to write any stands."""
    source = packages / "torch" / "__init__.py"
    bytecode = Path(importlib.util.cache_from_source(str(source)))
    bytecode.parent.mkdir()
    bytecode.touch()
    reported = ensure_bytecode(packages, tmp_path, PYTHONDONTWRITEBYTECODE="1")
    assert "None True False" == reported
    assert {"__init__"} == compiled(packages)


@pytest.mark.parametrize("collects", [True, False])
def test_collection_pauses_and_threads_take_turns(
    collects: bool,  # noqa: FBT001 - a case of the table
) -> None:
    """Afterwards what exists is not visited again, and collections are rarer."""
    interval_s, thresholds = sys.getswitchinterval(), gc.get_threshold()
    (gc.enable if collects else gc.disable)()
    try:
        with contextlib.suppress(LookupError), unblocked():
            inside = gc.isenabled(), sys.getswitchinterval() < interval_s
            raise LookupError
        assert (False, True) == inside
        assert (collects, interval_s) == (gc.isenabled(), sys.getswitchinterval())
        assert gc.get_freeze_count()
        assert gc.get_threshold() > thresholds
    finally:
        gc.unfreeze()
        gc.enable()
        gc.set_threshold(*thresholds)


def test_pytorchs_libraries_are_loaded_before_pytorch() -> None:
    """They are mapped into the process, and the import finds them working."""
    program = """
from pathlib import Path
from lsp_server.engine.loading import load_libraries
load_libraries()
print("libtorch_cpu.so" in Path("/proc/self/maps").read_text())
import torch
print(int(torch.ones(3).sum()))
load_libraries()
"""
    ran = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    assert ["True", "3"] == ran.stdout.split()
