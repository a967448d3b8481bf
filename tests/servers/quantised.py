"""Quantises with the round-to-nearest quantiser of the tests."""

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from training.quantize.pipeline import LoadCheck, Options, Result, quantise

if TYPE_CHECKING:
    from collections.abc import Sequence

    from training.quantize.backend import Comparison, Quantizer
    from training.quantize.calibration import Sample


class SimpleQuantizer(Protocol):
    """The round-to-nearest quantiser of these tests."""

    tool: str
    comparison: "Comparison"
    seen: "tuple[Sample, ...]"
    held_out: "tuple[Sample, ...]"

    def quantise(
        self,
        source: Path,
        weights: Path,
        *,
        group_size: int,
        samples: "Sequence[Sample]",
        work: Path,
    ) -> None: ...

    def compare(
        self,
        source: Path,
        weights: Path,
        *,
        group_size: int,
        samples: "Sequence[Sample]",
        work: Path,
    ) -> "Comparison": ...


class Listener:
    """Keeps what is said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str, /) -> None:
        self.lines.append(line)

    def step(self, work: str, done: int, total: int) -> None:
        self.lines.append(f"{work}: {done} of {total}")

    def close(self) -> None:
        """Nothing is open."""


def run(
    options: Options, quantizer: "Quantizer", prove: LoadCheck | None = None
) -> Result:
    """Quantise without showing progress."""
    return quantise(options, quantizer=quantizer, load_check=prove, progress=Listener())
