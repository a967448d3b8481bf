"""What a run says of itself: lines of JSON, of which a picture can be drawn."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeAlias

from lsp_server.errors import TrainingError

__all__ = ["Entry", "HeldOut", "Infilled", "KindScore", "Measured", "TrainingLog"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """The steps since the last line, in the mean. Losses are nats per token.

    Attributes:
        step: Steps done.
        share: Share of the run that is done.
        tokens: Tokens read since the run began.
        elapsed_s: Seconds spent on steps since the run began.
        loss: What is minimised, middles weighted.
        middle_loss: Of middles and their end alone.
        context_loss: Of all other text.
        rate_factor: What the learning rates were multiplied by.
        tokens_per_s: Tokens in a second.
        peak_share: Share of the device's peak operations; None where that is unknown.
    """

    step: int
    share: float
    tokens: int
    elapsed_s: float
    loss: float
    middle_loss: float
    context_loss: float
    rate_factor: float
    tokens_per_s: float
    peak_share: float | None

    @property
    def left_s(self) -> float:
        """Seconds that the run still takes, if it goes on as it did."""
        return self.elapsed_s * (1 - self.share) / self.share if self.share else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class KindScore:
    """How well middles of one kind are predicted, each behind the right ones before.

    Attributes:
        loss: Of middles and their end, in nats per token.
        end_loss: Of the end alone, in nats.
        exact: Share of middles whose every token, and the end, is the likeliest.
        right: The same without the end.
        right_without_suffix: The same where only the prefix is read.
    """

    loss: float
    end_loss: float
    exact: float
    right: float
    right_without_suffix: float


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOut:
    """Measured on packages that are not trained on.

    Attributes:
        step: Steps done.
        tokens: Tokens read since the run began.
        held_out_middle_loss: Mean of the kinds' losses, in nats per token.
        kinds: By the kind's name in `training.train.config.Shares`.
    """

    step: int
    tokens: int
    held_out_middle_loss: float
    kinds: Mapping[str, KindScore]


@dataclass(frozen=True, slots=True, kw_only=True)
class Infilled:
    """What the model wrote into a benchmark's gaps, greedily.

    Attributes:
        step: Steps done.
        tokens: Tokens read since the run began.
        tasks: Tasks asked.
        exact: Share that is the missing text, with the suffix read.
        exact_without_suffix: The same without.
        stops: Share that the model ended by itself where it should end.
    """

    step: int
    tokens: int
    tasks: int
    exact: float
    exact_without_suffix: float
    stops: float


Entry: TypeAlias = Measured | HeldOut | Infilled


class TrainingLog:
    """Appends to a file, an object a line."""

    def __init__(self, path: Path, *, keep_steps: int) -> None:
        """Go on behind the lines of the first ``keep_steps`` steps, and drop others.

        Raises:
            TrainingError: It cannot be read or written.
        """
        self._path = path
        kept = [entry for entry in self.entries() if entry["step"] <= keep_steps]
        self._write("w", *kept)

    def add(self, entry: Entry) -> None:
        """Append a line.

        Raises:
            TrainingError: It cannot be written.
        """
        self._write("a", asdict(entry))

    def entries(self) -> Iterator[dict[str, float]]:
        """Give all lines, decoded."""
        try:
            if self._path.exists():
                for line in self._path.read_text(encoding="utf-8").splitlines():
                    yield json.loads(line)
        except (OSError, ValueError) as exc:
            raise self._unusable("read", exc) from exc

    def _write(self, mode: str, *entries: dict[str, float]) -> None:
        try:
            with self._path.open(mode, encoding="utf-8") as file:
                file.writelines(json.dumps(entry) + "\n" for entry in entries)
        except OSError as exc:
            raise self._unusable("written", exc) from exc

    def _unusable(self, doing: str, exc: Exception) -> TrainingError:
        return TrainingError(
            f"the log cannot be {doing} ({exc})",
            subject=str(self._path),
            remedy="Make room, or move the file away",
        )
