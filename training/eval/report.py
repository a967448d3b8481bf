"""An evaluation's report, as JSON values and as Markdown."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

from training.eval.evaluation import Outcome
from training.eval.machine import Machine
from training.eval.summary import (
    Difference,
    Estimate,
    Familiarity,
    Row,
    compare,
    count_familiar,
    suffix_gains,
    summarise,
)

__all__ = ["Report", "make_report"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """An evaluation of one or several models on the same tasks.

    Attributes:
        suite: The suite's name.
        date: The day, as ``YYYY-MM-DD``.
        seed: The seed of the tasks and intervals.
        data: The SHA-256 of each file or folder of data, by its name.
        packages: The package of each task's document; None where it is unknown.
        machine: Hardware and software versions.
        outcomes: Each model's results; the first is compared with the others.
    """

    suite: str
    date: str
    seed: int
    data: Mapping[str, str]
    packages: tuple[str | None, ...]
    machine: Machine
    outcomes: tuple[Outcome, ...]

    def rows(self, outcome: Outcome) -> list[Row]:
        """Return one model's row for each category and view."""
        return summarise(outcome.scores, seed=self.seed)

    def gains(self, outcome: Outcome) -> list[Difference]:
        """Return how much one model gains by the suffix."""
        return suffix_gains(outcome.scores, seed=self.seed)

    def familiarity(self, outcome: Outcome) -> Familiarity | None:
        """Count cursors in packages known from training; None if that is unknown."""
        trained = outcome.model.trained_packages
        if trained is None or not any(self.packages):
            return None
        return count_familiar(self.packages, trained)

    def lead(self, outcome: Outcome) -> list[Difference]:
        """Return how far the first model is ahead of this one."""
        return compare(self.outcomes[0].scores, outcome.scores, seed=self.seed)


def make_report(report: Report) -> tuple[dict[str, object], str]:
    """Return the report as JSON values and as Markdown."""
    lines = [
        *_introduction(report),
        *_table(report),
        *_differences(report),
        *_explanations(),
    ]
    return _values(report), "\n".join(lines) + "\n"


def _values(report: Report) -> dict[str, object]:
    return {
        "suite": report.suite,
        "date": report.date,
        "seed": report.seed,
        "data": dict(report.data),
        "circumstances": asdict(report.machine),
        "models": [_model_values(report, outcome) for outcome in report.outcomes],
    }


def _model_values(report: Report, outcome: Outcome) -> dict[str, object]:
    model = outcome.model
    familiarity = report.familiarity(outcome)
    return {
        "name": model.name,
        "family": model.family.name,
        "weights": model.weights,
        "sha256": dict(model.sha256),
        "context_length": model.context_length,
        "engine": asdict(outcome.engine),
        "dtype": outcome.dtype.value,
        "trained_on": None if familiarity is None else asdict(familiarity),
        "summary": [_plain(asdict(row)) for row in report.rows(outcome)],
        "suffix_gain": [_plain(asdict(gain)) for gain in report.gains(outcome)],
        "first_model_leads_by": []
        if outcome is report.outcomes[0]
        else [_plain(asdict(lead)) for lead in report.lead(outcome)],
        "tasks": [_plain(asdict(score)) for score in outcome.scores],
    }


def _plain(values: dict[str, object]) -> dict[str, object]:
    """Return the values with enums as their values and numbers rounded."""
    plain: dict[str, object] = {}
    for key, value in values.items():
        match value:
            case float():
                plain[key] = round(value, 4)
            case dict():
                plain[key] = _plain(value)
            case _:
                plain[key] = getattr(value, "value", value)
    return plain


def _introduction(report: Report) -> Iterator[str]:
    machine = report.machine
    versions = ", ".join(f"{name} {text}" for name, text in machine.versions.items())
    yield f"# Evaluation: {report.suite}"
    yield ""
    yield (
        f"{report.date}, seed {report.seed}, on {machine.cores} cores of {machine.cpu}"
        + "".join(f", {gpu}" for gpu in machine.gpus)
        + f". {versions}. Commit {machine.commit or 'unknown'}."
    )
    yield ""
    for outcome in report.outcomes:
        model, engine = outcome.model, outcome.engine
        hashes = ", ".join(f"`{digest[:12]}`" for digest in model.sha256.values())
        yield (
            f"- **{model.name}**: {model.weights}; family "
            f"{model.family.name}; weights {hashes}; {engine.name} "
            f"{engine.version} on {engine.device}, {engine.kernel or 'no'} "
            f"quantised kernel, dtype {outcome.dtype.value}"
            + _describe(report.familiarity(outcome))
        )
    yield ""


def _describe(familiarity: Familiarity | None) -> str:
    if familiarity is None:
        return ""
    return (
        f"; {familiarity.trained} of the cursors lie in packages that it was trained "
        f"on, {familiarity.other} in others, {familiarity.unknown} in files of which "
        "the package is not known"
    )


def _table(report: Report) -> Iterator[str]:
    yield (
        "| tasks | model | prompt | exact match | pass@1 | edit similarity | "
        "stops by itself | kept characters |"
    )
    yield "|---|---|---|---|---|---|---|---|"
    rows = [
        (row, outcome.model.name)
        for outcome in report.outcomes
        for row in report.rows(outcome)
    ]
    categories = list(dict.fromkeys(row.category for row, _ in rows))
    for row, name in sorted(rows, key=lambda each: categories.index(each[0].category)):
        cells = (
            f"{row.category} ({row.tasks})",
            name,
            row.view.value,
            _percent(row.exact),
            _percent(row.passed),
            f"{row.similarity:.1f} %",
            f"{row.stops:.1f} %",
            "-" if row.kept is None else f"{row.kept:.1f} %",
        )
        yield f"| {' | '.join(cells)} |"
    yield ""


def _differences(report: Report) -> Iterator[str]:
    yield "| tasks | difference | measure | points |"
    yield "|---|---|---|---|"
    first = report.outcomes[0].model.name
    for outcome in report.outcomes:
        name = outcome.model.name
        yield from _points(f"{name}: suffix gain", report.gains(outcome))
        if outcome is not report.outcomes[0]:
            yield from _points(f"{first} less {name}", report.lead(outcome))
    yield ""


def _points(what: str, differences: Sequence[Difference]) -> Iterator[str]:
    for each in differences:
        points = each.points
        yield (
            f"| {each.category} | {what} | {each.measure} | {points.value:+.1f} "
            f"({points.low:+.1f} to {points.high:+.1f}) |"
        )


def _explanations() -> Iterator[str]:
    yield "Decoding is greedy. Ranges are 95 % intervals of a bootstrap over whole"
    yield "problems or files."
    yield "*With suffix* is the model's text for the server's prompt, cut at the end of"
    yield "the line or block; *no suffix* the same model continuing after the prefix;"
    yield "*as shown* what the server's filters leave. *Stops by itself*: the model"
    yield "ended its output there with its end token. *Kept characters*: the share of"
    yield "suggested characters before the first that differs from the missing text."


def _percent(estimate: Estimate | None) -> str:
    if estimate is None:
        return "-"
    return f"{estimate.value:.1f} % ({estimate.low:.1f} to {estimate.high:.1f})"
