"""Asks a Python whether it has a quantiser."""

from dataclasses import dataclass
from pathlib import Path

from lsp_server.errors import QuantizeError
from training.quantize.process import run_command
from training.quantize.tool import Tool

__all__ = ["Installation", "find_installation"]

_ASK = """\
import importlib.metadata
import sys

try:
    print(importlib.metadata.version(sys.argv[1]))
except importlib.metadata.PackageNotFoundError:
    print("none")
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """A quantiser that is installed.

    Attributes:
        tool: Which one.
        python: The Python that has it.
        version: Its version there.
    """

    tool: Tool
    python: Path
    version: str


def find_installation(tool: Tool, python: Path) -> Installation:
    """Look for a quantiser in a Python's environment.

    Raises:
        QuantizeError: It is not there, or not the version that was tried.
    """
    lines: list[str] = []
    run_command(
        [python, "-I", "-c", _ASK, tool.name],
        what="the search for the quantiser",
        progress=lines.append,
    )
    version = lines[-1] if lines else "none"
    if version != tool.version:
        found = "is not installed" if version == "none" else f"is version {version}"
        raise QuantizeError(
            f"{tool.name} {found}, and {tool.version} is needed",
            subject=str(python),
            remedy=f"Install it from a checkout of Midfill with `{tool.install}`, or "
            "name a Python that has it with --python",
        )
    return Installation(tool=tool, python=python, version=version)
