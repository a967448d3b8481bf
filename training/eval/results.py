"""Writes an evaluation into a folder."""

import json
from pathlib import Path

from lsp_server.errors import EvaluationError
from lsp_server.files import atomic_write_text
from training.eval.picture import Bar, draw_bars
from training.eval.report import Report, make_report

__all__ = ["prepare_folder", "write_results"]


def prepare_folder(folder: Path) -> None:
    """Make the folder, and prove that it can be written to, before hours are spent.

    Raises:
        EvaluationError: It cannot.
    """
    probe = folder / ".results.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as exc:
        raise _unwritable(folder, exc) from exc


def write_results(folder: Path, report: Report) -> None:
    """Write ``results.json``, ``results.md`` and ``results.svg``, over older ones.

    Raises:
        EvaluationError: They cannot be written.
    """
    values, table = make_report(report)
    contents = {
        "results.json": json.dumps(values, indent=1) + "\n",
        "results.md": f"{table}\n![Exact match](results.svg)\n",
        "results.svg": draw_bars(
            _bars(report), title=f"exact match, {report.suite} (95 % intervals)"
        ),
    }
    try:
        for name, content in contents.items():
            atomic_write_text(folder / name, content)
    except OSError as exc:
        raise _unwritable(folder, exc) from exc


def _bars(report: Report) -> list[Bar]:
    return [
        Bar(
            group=row.category,
            name=f"{outcome.contender.name}, {row.view.value}",
            share=row.exact,
        )
        for outcome in report.outcomes
        for row in report.rows(outcome)
    ]


def _unwritable(folder: Path, exc: OSError) -> EvaluationError:
    return EvaluationError(
        f"results cannot be written there ({exc.strerror})",
        subject=str(folder),
        remedy="name another folder with --out",
    )
