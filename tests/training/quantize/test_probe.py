"""A quantiser that is missing is told with the command that installs it."""

import sys
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import pytest

from lsp_server.errors import QuantizeError
from training.quantize.probe import find_installation
from training.quantize.tool import GPTQMODEL

PYTHON = Path(sys.executable)


def test_finds_what_is_there() -> None:
    """The version is the installed one."""
    tool = replace(GPTQMODEL, name="pytest", version=version("pytest"))
    found = find_installation(tool, PYTHON)
    assert (tool, PYTHON, version("pytest")) == (
        found.tool,
        found.python,
        found.version,
    )


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no-such-quantiser", "no-such-quantiser is not installed, and 7.6.0 is"),
        ("pytest", f"pytest is version {version('pytest')}, and 7.6.0 is needed"),
    ],
)
def test_tells_how_to_install(name: str, message: str) -> None:
    """Missing or of another version: the exact command is in the error."""
    with pytest.raises(QuantizeError, match=message) as caught:
        find_installation(replace(GPTQMODEL, name=name), PYTHON)
    assert "`make install-gptqmodel`" in caught.value.remedy


def test_a_python_that_is_none_is_told(tmp_path: Path) -> None:
    """A wrong --python is named."""
    with pytest.raises(QuantizeError, match="cannot be started"):
        find_installation(GPTQMODEL, tmp_path / "python")
