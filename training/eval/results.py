"""Writes an evaluation into a folder: JSON, a Markdown table, and a plot."""

import io
import json
from pathlib import Path

from matplotlib import rc_context
from matplotlib.figure import Figure

from lsp_server.errors import EvaluationError
from lsp_server.files import atomic_write_text
from training.eval.report import Report, make_report

__all__ = ["prepare_folder", "write_results"]

_WIDTH_INCHES = 8.0
_BAR_INCHES = 0.22
_MARGIN_INCHES = 1.2


def prepare_folder(folder: Path) -> None:
    """Make the folder, and check that it is writable, before hours are spent.

    Raises:
        EvaluationError: It is not.
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
        "results.svg": _plot(report),
    }
    try:
        for name, content in contents.items():
            atomic_write_text(folder / name, content)
    except OSError as exc:
        raise _unwritable(folder, exc) from exc


@rc_context(
    {
        # Text stays text, and the same results give the same file.
        "svg.fonttype": "none",
        "svg.hashsalt": "midfill",
        # A dollar sign in a name is no formula.
        "text.parse_math": False,
    }
)
def _plot(report: Report) -> str:
    """Plot exact match as bars with 95 % intervals, in SVG, one group per category."""
    bars = [
        (row.category, f"{outcome.model.name}, {row.view.value}", row.exact)
        for outcome in report.outcomes
        for row in report.rows(outcome)
    ]
    categories = list(dict.fromkeys(category for category, _, _ in bars))
    names = list(dict.fromkeys(name for _, name, _ in bars))
    height = _BAR_INCHES * len(categories) * (len(names) + 1) + _MARGIN_INCHES
    figure = Figure(figsize=(_WIDTH_INCHES, height), layout="constrained")
    axes = figure.add_subplot()
    for number, name in enumerate(names):
        shares = {at: share for at, each, share in bars if each == name}
        places = [
            categories.index(category) * (len(names) + 1) + number
            for category in shares
        ]
        axes.barh(places, [share.value for share in shares.values()], label=name)
        axes.hlines(
            places,
            [share.low for share in shares.values()],
            [share.high for share in shares.values()],
            colors="black",
            linewidth=1,
        )
        for place, share in zip(places, shares.values(), strict=True):
            right = max(share.value, share.high) + 1
            axes.text(right, place, f"{share.value:.1f}", va="center", fontsize="small")
    centre = (len(names) - 1) / 2
    axes.set_yticks(
        [at * (len(names) + 1) + centre for at in range(len(categories))], categories
    )
    axes.invert_yaxis()
    axes.set_xlim(0, 100)
    axes.set_xlabel("exact match, % (95 % intervals)")
    axes.set_title(report.suite)
    figure.legend(loc="outside lower center", ncols=2)
    stream = io.BytesIO()
    figure.savefig(stream, format="svg", metadata={"Date": None})
    return stream.getvalue().decode("utf-8")


def _unwritable(folder: Path, exc: OSError) -> EvaluationError:
    return EvaluationError(
        f"results cannot be written there ({exc.strerror})",
        subject=str(folder),
        remedy="name another folder with --out",
    )
