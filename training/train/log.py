"""The log of a run: its entries, their file, and the line that a terminal shows."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol, TextIO, TypeAlias

from lsp_server.errors import TrainingError
from lsp_server.operating_system import reason_of

__all__ = [
    "Display",
    "Entry",
    "HeldOut",
    "Infilled",
    "KindScore",
    "Listener",
    "Measured",
    "TrainingLog",
]

_MINUTE_S = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Means over the steps since the last entry. Losses are in nats per token.

    Attributes:
        step: Steps done.
        share: Share of the run that is done.
        tokens: Tokens read since the run began.
        elapsed_s: Seconds spent on steps since the run began.
        loss: The loss that is minimised, with middles weighted.
        middle_loss: Loss of middles and their ends.
        context_loss: Loss of all other text.
        rate_factor: Factor of the learning rates.
        tokens_per_s: Tokens per second.
        peak_share: Share of the device's peak operations; None if that is unknown.
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
        """Estimated seconds to the end of the run."""
        return self.elapsed_s * (1 - self.share) / self.share if self.share else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class KindScore:
    """How well middles of one kind are predicted, each token after the true ones.

    Attributes:
        loss: Loss of middles and their ends, in nats per token.
        end_loss: Loss of the ends alone, in nats.
        exact: Share of middles of which every token, and the end, is the likeliest.
        right: The same without the end.
        right_without_suffix: The same if only the prefix is read.
    """

    loss: float
    end_loss: float
    exact: float
    right: float
    right_without_suffix: float


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOut:
    """Scores on packages that are not trained on.

    Attributes:
        step: Steps done.
        tokens: Tokens read since the run began.
        held_out_middle_loss: Mean of the kinds' losses, in nats per token.
        kinds: Scores by the kind's name in `training.train.config.Shares`.
    """

    step: int
    tokens: int
    held_out_middle_loss: float
    kinds: Mapping[str, KindScore]


@dataclass(frozen=True, slots=True, kw_only=True)
class Infilled:
    """Scores of the finished model on a benchmark's tasks, answered greedily.

    Attributes:
        step: Steps done.
        tokens: Tokens read since the run began.
        tasks: Number of tasks.
        exact: Share answered with exactly the missing text, with the suffix read.
        exact_without_suffix: The same without the suffix.
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
    """A file of JSON lines, an entry each."""

    def __init__(self, path: Path, *, keep_steps: int) -> None:
        """Keep the entries of the first ``keep_steps`` steps, and drop the others.

        Raises:
            TrainingError: The file cannot be read or written.
        """
        self._path = path
        kept = [entry for entry in self.entries() if entry["step"] <= keep_steps]
        self._write("w", *kept)

    def add(self, entry: Entry) -> None:
        """Append an entry.

        Raises:
            TrainingError: The file cannot be written.
        """
        self._write("a", asdict(entry))

    def entries(self) -> Iterator[dict[str, float]]:
        """Yield all entries, decoded.

        Raises:
            TrainingError: The file cannot be read.
        """
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
            f"the log cannot be {doing} ({reason_of(exc)})",
            subject=str(self._path),
            remedy="Make room, or move the file away",
        )


class Listener(Protocol):
    """Receives the progress of a run."""

    def message(self, text: str) -> None:
        """Receive a line of text."""
        ...

    def measured(self, measured: Measured) -> None:
        """Receive the means since the last entry."""
        ...

    def held_out(self, held_out: HeldOut) -> None:
        """Receive the held-out scores."""
        ...

    def infilled(self, infilled: Infilled) -> None:
        """Receive the scores on a benchmark."""
        ...


class Display:
    """Shows progress on one line that is overwritten; line by line on no terminal."""

    def __init__(self, stream: TextIO) -> None:
        """Write to ``stream``."""
        self._stream = stream
        # The escape sequence clears a terminal's line.
        self._before, self._after = ("\r\x1b[K", "") if stream.isatty() else ("", "\n")
        self._held_out = ""

    def message(self, text: str) -> None:
        """Show a line that the next one does not overwrite."""
        self._stream.write(f"{self._before}{text}\n")
        self._stream.flush()

    def measured(self, measured: Measured) -> None:
        """Show losses, speed and the time left."""
        peak = measured.peak_share
        minutes, seconds = divmod(round(measured.left_s), _MINUTE_S)
        parts = (
            f"{measured.share:6.1%}",
            f"step {measured.step}",
            f"{measured.tokens / 1e6:,.1f}M tokens",
            f"loss {measured.loss:.3f} (middles {measured.middle_loss:.3f})",
            self._held_out,
            f"{measured.tokens_per_s:,.0f} tokens/s",
            "" if peak is None else f"{peak:.0%} of peak",
            f"{minutes}:{seconds:02d} left",
        )
        line = " | ".join(filter(None, parts))
        self._stream.write(f"{self._before}{line}{self._after}")
        self._stream.flush()

    def held_out(self, held_out: HeldOut) -> None:
        """Show the held-out loss in the lines that follow."""
        self._held_out = f"held-out middles {held_out.held_out_middle_loss:.3f}"

    def infilled(self, infilled: Infilled) -> None:
        """Show the scores on a benchmark."""
        self.message(
            f"{infilled.tasks} tasks: {infilled.exact:.1%} exact, without suffix "
            f"{infilled.exact_without_suffix:.1%}, {infilled.stops:.0%} end by "
            "themselves"
        )
