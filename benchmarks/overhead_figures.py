"""The times of `lsp_overhead`, and what figures they make."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.figures import median, percentile, table

__all__ = ["Cell", "Times", "overhead_table", "summary_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """What one request took on one path.

    Attributes:
        ttft_ms: To the first token.
        total_ms: To the end.
        output_tokens: Tokens that the engine made.
        cached_tokens: Prompt tokens that the prefix cache held.
        outside_ms: Before the engine was asked and after its last token.
    """

    ttft_ms: float
    total_ms: float
    output_tokens: int
    cached_tokens: int
    outside_ms: float = 0.0


@dataclass(slots=True, kw_only=True)
class Cell:
    """All that was measured in one setting, the two paths in the same order.

    Attributes:
        clients: Requests in the same moment.
        cache: ``fresh`` or ``cached``.
        prompt_tokens: Of each request.
        lsp: Through the server.
        raw: On `AsyncLLM`.
    """

    clients: int
    cache: str
    prompt_tokens: list[int] = field(default_factory=list)
    lsp: list[Times] = field(default_factory=list)
    raw: list[Times] = field(default_factory=list)


def summary_of(cell: Cell) -> dict[str, object]:
    """Make figures of a cell's times."""
    lsp, raw = cell.lsp, cell.raw
    pairs = list(zip(lsp, raw, strict=True))
    rows: dict[str, dict[str, float]] = {}
    for path, times in (("lsp", lsp), ("raw", raw)):
        rows[path] = {
            f"{name}_{label}_ms": round(percentile(values, percent), 3)
            for name, values in (
                ("ttft", [each.ttft_ms for each in times]),
                ("total", [each.total_ms for each in times]),
            )
            for label, percent in (("p50", 50), ("p95", 95))
        }
    overhead = {
        key: round(rows["lsp"][key] - rows["raw"][key], 3) for key in rows["raw"]
    }
    ttft_differences = [one.ttft_ms - other.ttft_ms for one, other in pairs]
    total_differences = [one.total_ms - other.total_ms for one, other in pairs]
    same_length = sum(one.output_tokens == other.output_tokens for one, other in pairs)
    return {
        "clients": cell.clients,
        "cache": cell.cache,
        "requests": len(pairs),
        "prompt_tokens_mean": round(sum(cell.prompt_tokens) / len(pairs), 1),
        "output_tokens_mean": {
            path: round(sum(each.output_tokens for each in times) / len(pairs), 2)
            for path, times in (("lsp", lsp), ("raw", raw))
        },
        "cached_tokens_mean": {
            path: round(sum(each.cached_tokens for each in times) / len(pairs), 1)
            for path, times in (("lsp", lsp), ("raw", raw))
        },
        "same_output_length_share": round(same_length / len(pairs), 3),
        **rows,
        "overhead": overhead,
        "paired_overhead": {
            "ttft_p50_ms": round(median(ttft_differences), 3),
            "total_p50_ms": round(median(total_differences), 3),
            "total_p95_ms": round(percentile(total_differences, 95), 3),
        },
        "outside_engine": {
            f"{label}_ms": round(percentile([each.outside_ms for each in lsp], of), 3)
            for label, of in (("p50", 50), ("p95", 95))
        },
    }


def overhead_table(summaries: Sequence[dict[str, Any]]) -> str:
    """Draw the summaries of all cells."""
    head = ["clients", "prompt", "path", "TTFT p50", "p95", "total p50", "p95"]
    keys = ["ttft_p50_ms", "ttft_p95_ms", "total_p50_ms", "total_p95_ms"]
    rows = []
    for each in summaries:
        for path in ("raw", "lsp", "overhead"):
            figures = [f"{each[path][key]:.1f}" for key in keys]
            rows.append([str(each["clients"]), each["cache"], path, *figures])
        outside = [f"{each['outside_engine'][key]:.1f}" for key in ("p50_ms", "p95_ms")]
        rows.append([str(each["clients"]), each["cache"], "outside", "", "", *outside])
    return table(head, rows)
