"""What was measured on an H200, beside what the simulation says of the same load.

The constants of `H200_7B` are fitted (`fit`) to all rows of
``results/raw_vllm_h200.json`` but two: 256 fresh prompts at once, where vLLM is faster
than its own times for fewer, and the load of 100 typists, which is held back to see how
far the simulation is off.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.capacity_load import Ask, TypingLoad, asks_of
from benchmarks.capacity_replica import Answer, Outcome, Stage
from benchmarks.capacity_simulation import by_typist, simulate
from benchmarks.figures import median, percentile
from lsp_server.engine.engine_speed import EngineSpeed

__all__ = ["Compared", "compare", "compare_load", "fit", "latency_of", "misfit"]

_RESULTS = Path(__file__).resolve().parent / "results"
_RAW = json.loads((_RESULTS / "raw_vllm_h200.json").read_bytes())

_NOT_FITTED_FRESH, _HELD_BACK_TYPISTS = 256, 100
_RAW_JUMP_SHARE = 0.0
"""Nobody's cursor jumped in that load."""

_RAW_SECONDS = 15.0
"""Of the load of typists; how long it was measured is not known."""

_CACHED_NEW_TOKENS, _HALF_BLOCK_TOKENS = 8, 8
_FITTED = (
    *("prefill_step_ms", "decode_ms", "prompt_token_ms", "begin_ms"),
    *("submit_ms", "arrive_ms"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """A measured time and the simulation's.

    Attributes:
        load: What was asked.
        figure: Which time it is.
        measured_ms: As measured.
        simulated_ms: As simulated.
        is_fitted: Whether the constants were chosen to meet it.
    """

    load: str
    figure: str
    measured_ms: float
    simulated_ms: float
    is_fitted: bool

    @property
    def error(self) -> float:
        """How far the simulation is off, as a share of what was measured."""
        return self.simulated_ms / self.measured_ms - 1


def latency_of(answers: Sequence[Answer]) -> dict[str, float]:
    """Return mean and percentiles of the times of requests that were answered."""
    times_ms = [a.took_ms for a in answers if a.outcome is Outcome.ANSWERED]
    if not times_ms:
        return {}
    return {
        "mean": sum(times_ms) / len(times_ms),
        **{f"p{each}": percentile(times_ms, each) for each in (50, 95, 99)},
    }


def compare(speed: EngineSpeed) -> Iterator[Compared]:
    """Simulate at a speed everything that was measured of raw vLLM."""
    stage = Stage(speed=speed, server_ms=0.0, most_running=512)
    for row in _RAW["bursts"]["rows"]:
        answers = simulate(_burst(row), [stage], by_typist)
        firsts_ms = [a.first_ms for a in answers if a.first_ms is not None]
        load = f"{row['at_once']} at once, {row['prompt']}"
        is_fitted = (row["prompt"], row["at_once"]) != ("fresh", _NOT_FITTED_FRESH)
        simulated = {
            "mean_ms": latency_of(answers)["mean"],
            "first_token_p50_ms": median(firsts_ms),
        }
        for figure, simulated_ms in simulated.items():
            yield Compared(
                load=load,
                figure=figure,
                measured_ms=row[figure],
                simulated_ms=simulated_ms,
                is_fitted=is_fitted,
            )
    for row in _RAW["typists"]["rows"]:
        typing = TypingLoad(
            typists=row["typists"], seconds=_RAW_SECONDS, jump_share=_RAW_JUMP_SHARE
        )
        times = latency_of(simulate(asks_of(typing, 0), [stage], by_typist))
        for figure in (key for key in row if key != "typists"):
            yield Compared(
                load=f"{row['typists']} typists",
                figure=figure,
                measured_ms=row[figure],
                simulated_ms=times[figure.removesuffix("_ms")],
                is_fitted=row["typists"] != _HELD_BACK_TYPISTS,
            )


def compare_load(
    result: Mapping[str, Any], speed: EngineSpeed, *, server_ms: float
) -> Iterator[Compared]:
    """Simulate at a speed what `benchmarks.load` has measured on a GPU.

    Without joined starts, which were not there yet.

    Args:
        result: The benchmark's result.
        speed: Of the engine.
        server_ms: Midfill's own work for a request, where the result does not say.
    """
    for cell in result["cells"]:
        own_ms = cell.get("server_cpu_ms_per_request", server_ms)
        stage = Stage(
            speed=speed,
            server_ms=0.0 if cell["route"] == "raw" else own_ms,
            most_running=int(result["settings"]["MIDFILL_ENGINE_MAX_NUM_SEQS"]),
        )
        typing = TypingLoad(
            typists=cell["typists"],
            seconds=result["seconds"],
            interval_ms=result["interval_ms"],
            prompt_tokens=round(cell["prompt_tokens_mean"]),
        )
        answers = simulate(asks_of(typing, result["seed"]), [stage], by_typist)
        for figure, simulated_ms in latency_of(answers).items():
            yield Compared(
                load=f"{cell['typists']} typists, {cell['route']}",
                figure=f"{figure}_ms",
                measured_ms=cell["latency_ms"][figure],
                simulated_ms=simulated_ms,
                is_fitted=False,
            )


def _burst(row: dict[str, object]) -> list[Ask]:
    """Return the requests of a burst; what is cached is left out of the prompt."""
    again = _CACHED_NEW_TOKENS + _HALF_BLOCK_TOKENS
    tokens = _RAW["prompt_tokens"] if row["prompt"] == "fresh" else again
    return [
        Ask(
            typist=typist,
            at_ms=0.0,
            prompt_tokens=tokens,
            written_tokens=tokens,
            output_tokens=_RAW["output_tokens"],
        )
        for typist in range(int(str(row["at_once"])))
    ]


def misfit(speed: EngineSpeed) -> float:
    """Return the sum of the squared logarithms of all errors that count."""
    return sum(math.log1p(each.error) ** 2 for each in compare(speed) if each.is_fitted)


def fit(speed: EngineSpeed, *, least_change: float = 0.02) -> EngineSpeed:
    """Change one constant after the other while that makes the misfit smaller."""
    best, change = misfit(speed), 0.25
    while change > least_change:
        was = best
        for name in _FITTED:
            for factor in (1 + change, 1 / (1 + change)):
                tried = replace(speed, **{name: getattr(speed, name) * factor})
                if (found := misfit(tried)) < best:
                    speed, best = tried, found
        if best == was:
            change /= 1.6
    return speed
