"""``midfill doctor``: checks whether completion can work on this machine."""

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO

from lsp_server.commands.display import has_colours, paint
from lsp_server.commands.terminal import captured_output, printable
from lsp_server.config import Config, LogLevel
from lsp_server.doctor.checkup import examine
from lsp_server.doctor.findings import Finding, Level, can_complete
from lsp_server.service.configurator import context_tokens_of
from lsp_server.setting_layers import server_layers
from lsp_server.settings import resolve, settle
from lsp_server.telemetry import configure_logging

__all__ = ["add_arguments", "as_json", "as_lines", "quietly", "run"]

_NAME_WIDTH = 13
_LEVEL_WIDTH = 8

_STYLES: Mapping[Level, str] = MappingProxyType(
    {Level.OK: "green", Level.WARNING: "yellow", Level.FAILURE: "bold red"}
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object when all is done"
    )
    parser.add_argument(
        "--verbose",
        action="store_true",
        help="show what libraries printed during a check that failed",
    )
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="a TOML file with settings"
    )


def run(arguments: argparse.Namespace) -> int:
    """Examine the machine, print the findings, and return the exit status.

    Returns:
        0 if completion can work, else 1.
    """
    # The findings say what is wrong; the engine's warnings would appear among them.
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    resolved = resolve(server_layers(arguments.config))
    config, conflicts = settle(
        resolved.config, Config(), model_tokens=context_tokens_of(resolved.config)
    )
    configure_logging(LogLevel.ERROR, sys.stderr)
    coloured = has_colours(sys.stdout)
    show_output = sys.stderr.write if arguments.verbose else None
    findings = []
    checks = examine(config, [*resolved.problems, *conflicts])
    for finding in quietly(checks, show_output):
        findings.append(finding)
        if not arguments.json:
            sys.stdout.write(as_lines(finding, coloured=coloured))
            sys.stdout.flush()
    if arguments.json:
        sys.stdout.write(as_json(findings))
    return 0 if can_complete(findings) else 1


def quietly(
    checks: Iterator[Finding], show_output: Callable[[str], object] | None
) -> Iterator[Finding]:
    """Pass findings on, and keep back what is printed during the checks.

    Args:
        checks: Run one by one; each yields a finding.
        show_output: Receives what was printed during a check that failed; with None
            that is dropped, too: the finding says what to do.
    """
    while True:
        with captured_output() as printed:
            finding = next(checks, None)
            sys.stdout.flush()
            sys.stderr.flush()
            if finding is None:
                return
            failed = finding.level is Level.FAILURE
            output = _content(printed) if failed and show_output else ""
        if show_output:
            show_output(output)
        yield finding


def as_lines(finding: Finding, *, coloured: bool) -> str:
    """Return one finding as a line, and below it what to do."""
    level = finding.level.value.ljust(_LEVEL_WIDTH)
    if coloured:
        level = paint(level, _STYLES[finding.level])
    line = f"{level} {finding.name.ljust(_NAME_WIDTH)} {printable(finding.what)}\n"
    if not finding.remedy:
        return line
    indent = " " * (_LEVEL_WIDTH + _NAME_WIDTH + 2)
    return f"{line}{indent}-> {printable(finding.remedy)}\n"


def as_json(findings: Sequence[Finding]) -> str:
    """Return all findings as one JSON object."""
    report = {
        "can_complete": can_complete(findings),
        "findings": [
            {
                "name": finding.name,
                "level": finding.level.value,
                "what": finding.what,
                "remedy": finding.remedy,
            }
            for finding in findings
        ],
    }
    return json.dumps(report, indent=2) + "\n"


def _content(printed: BinaryIO) -> str:
    printed.seek(0)
    return printed.read().decode("utf-8", errors="replace")
