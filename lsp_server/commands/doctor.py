"""``midfill doctor``: can completion work on this machine?"""

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from lsp_server.commands.serve import context_tokens_of, server_layers
from lsp_server.commands.terminal import printable
from lsp_server.config import Config, LogLevel
from lsp_server.doctor.captured import captured_output
from lsp_server.doctor.checkup import examine
from lsp_server.doctor.finding import Finding, Level
from lsp_server.doctor.report import COLOURS, PLAIN, as_json, as_lines, can_complete
from lsp_server.related_settings import settle
from lsp_server.settings import resolve
from lsp_server.telemetry import configure_logging

__all__ = ["add_arguments", "run", "told"]


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
    # The findings say what goes wrong; the engine's own warnings would come between.
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    resolved = resolve(server_layers(arguments.config))
    config, conflicts = settle(
        resolved.config, Config(), model_tokens=context_tokens_of(resolved.config)
    )
    configure_logging(LogLevel.ERROR, sys.stderr)
    show = _nothing if arguments.json else _line
    show_output = sys.stderr.write if arguments.verbose else None
    findings = []
    checks = examine(config, [*resolved.problems, *conflicts])
    for finding in told(checks, show_output):
        findings.append(finding)
        sys.stdout.write(show(finding))
        sys.stdout.flush()
    if arguments.json:
        sys.stdout.write(as_json(findings))
    return 0 if can_complete(findings) else 1


def told(
    checks: Iterator[Finding], show_output: Callable[[str], object] | None
) -> Iterator[Finding]:
    """Pass findings on, and keep back what is printed during the checks.

    Args:
        checks: Makes the findings.
        show_output: Receives what was printed during a check that failed; None keeps
            that back, too: the finding says what to do.
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


def _content(printed: BinaryIO) -> str:
    printed.seek(0)
    return printed.read().decode("utf-8", errors="replace")


def _nothing(_finding: Finding) -> str:
    return ""


def _line(finding: Finding) -> str:
    # Colours where they would be seen, see https://no-color.org.
    has_colours = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    style = COLOURS if has_colours else PLAIN
    shown = replace(
        finding, what=printable(finding.what), remedy=printable(finding.remedy)
    )
    return as_lines(shown, style)
