"""``midfill doctor``: can completion work on this machine?"""

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from lsp_server.commands.serve import server_layers
from lsp_server.config import LogLevel
from lsp_server.doctor.captured import captured_output
from lsp_server.doctor.checkup import examine
from lsp_server.doctor.finding import Finding, Level
from lsp_server.doctor.report import COLOURS, PLAIN, as_json, as_lines, can_complete
from lsp_server.settings import resolve
from lsp_server.telemetry import configure_logging

__all__ = ["add_arguments", "run", "told"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object when all is done"
    )
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="a TOML file with settings"
    )


def run(arguments: argparse.Namespace) -> int:
    """Examine the machine, print the findings, and give the exit status.

    Returns:
        0 if completion can work, else 1.
    """
    # The findings say what goes wrong; the engine's own warnings would come between.
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    resolved = resolve(server_layers(arguments.config))
    configure_logging(LogLevel.ERROR, sys.stderr)
    show = _nothing if arguments.json else _line
    findings = []
    for finding in told(examine(resolved.config, resolved.problems)):
        findings.append(finding)
        sys.stdout.write(show(finding))
        sys.stdout.flush()
    if arguments.json:
        sys.stdout.write(as_json(findings))
    return 0 if can_complete(findings) else 1


def told(checks: Iterator[Finding]) -> Iterator[Finding]:
    """Pass findings on; what was printed during a check is shown only if it failed."""
    while True:
        with captured_output() as printed:
            finding = next(checks, None)
            sys.stdout.flush()
            sys.stderr.flush()
            if finding is None:
                return
            said = _content(printed) if finding.level is Level.FAILURE else ""
        sys.stderr.write(said)
        yield finding


def _content(printed: BinaryIO) -> str:
    printed.seek(0)
    return printed.read().decode("utf-8", errors="replace")


def _nothing(_finding: Finding) -> str:
    return ""


def _line(finding: Finding) -> str:
    # Colours where they would be seen, see https://no-color.org.
    has_colours = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    return as_lines(finding, COLOURS if has_colours else PLAIN)
