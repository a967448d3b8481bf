"""Puts a whole evaluation into words: values for JSON, and a Markdown table."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

from training.eval.bootstrap import Estimate
from training.eval.evaluation import Outcome
from training.eval.familiarity import Familiarity, count_familiar
from training.eval.machine import Circumstances
from training.eval.summary import Difference, Row, compare, suffix_gains, sum_up

__all__ = ["Report", "make_report"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """An evaluation of one or several models on the same tasks.

    Attributes:
        suite: The suite's name.
        date: The day, as ``YYYY-MM-DD``.
        seed: What tasks and intervals were drawn with.
        data: The SHA-256 of each file or folder of data, by its name.
        packages: The package of each task's document, where it is known.
        circumstances: What it was measured with.
        outcomes: What came of each model; the first is compared to the others.
    """

    suite: str
    date: str
    seed: int
    data: Mapping[str, str]
    packages: tuple[str | None, ...]
    circumstances: Circumstances
    outcomes: tuple[Outcome, ...]

    def rows(self, outcome: Outcome) -> list[Row]:
        """Sum one model up."""
        return sum_up(outcome.scores, seed=self.seed)

    def gains(self, outcome: Outcome) -> list[Difference]:
        """Tell what the suffix gives to one model."""
        return suffix_gains(outcome.scores, seed=self.seed)

    def familiarity(self, outcome: Outcome) -> Familiarity | None:
        """Tell what one model may know; None where it does not say, or no task does."""
        trained = outcome.contender.trained_packages
        if trained is None or not any(self.packages):
            return None
        return count_familiar(self.packages, trained)

    def lead(self, outcome: Outcome) -> list[Difference]:
        """Tell how much more the first model reaches than this one."""
        return compare(self.outcomes[0].scores, outcome.scores, seed=self.seed)


def make_report(report: Report) -> tuple[dict[str, object], str]:
    """Give the report as JSON values and as Markdown."""
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
        "circumstances": asdict(report.circumstances),
        "models": [_model_values(report, outcome) for outcome in report.outcomes],
    }


def _model_values(report: Report, outcome: Outcome) -> dict[str, object]:
    contender = outcome.contender
    familiarity = report.familiarity(outcome)
    return {
        "name": contender.name,
        "family": contender.family.name,
        "weights": contender.weights,
        "sha256": dict(contender.sha256),
        "context_length": contender.context_length,
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
    """Name views by their words, and round what was computed."""
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
    where = report.circumstances
    versions = ", ".join(f"{name} {text}" for name, text in where.versions.items())
    yield f"# Evaluation: {report.suite}"
    yield ""
    yield (
        f"{report.date}, seed {report.seed}, on {where.cores} cores of {where.cpu}"
        + "".join(f", {gpu}" for gpu in where.gpus)
        + f". {versions}. Commit {where.commit or 'unknown'}."
    )
    yield ""
    for outcome in report.outcomes:
        contender, engine = outcome.contender, outcome.engine
        hashes = ", ".join(f"`{digest[:12]}`" for digest in contender.sha256.values())
        yield (
            f"- **{contender.name}**: {contender.weights}; family "
            f"{contender.family.name}; weights {hashes}; {engine.name} "
            f"{engine.version} on {engine.device}, {engine.kernel or 'no'} "
            f"quantised kernel, dtype {outcome.dtype.value}"
            + _known(report.familiarity(outcome))
        )
    yield ""


def _known(familiarity: Familiarity | None) -> str:
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
        (row, outcome.contender.name)
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
    first = report.outcomes[0].contender.name
    for outcome in report.outcomes:
        name = outcome.contender.name
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
    yield "Greedy. Ranges are 95 % intervals of a bootstrap over whole problems or"
    yield "files."
    yield "*With suffix* is the model's own text for the server's prompt, cut at the"
    yield "end of the line or block; *no suffix* the same model going on after the"
    yield "prefix; *as shown* what the server's filters leave. *Stops by itself*: the"
    yield "model wrote its end token there, and no more. *Kept characters*: of all that"
    yield "are suggested, those before the first that differs from the missing text."


def _percent(estimate: Estimate | None) -> str:
    if estimate is None:
        return "-"
    return f"{estimate.value:.1f} % ({estimate.low:.1f} to {estimate.high:.1f})"
