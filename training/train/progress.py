"""Shows people how a run goes, on one line that is written over."""

from typing import TextIO

from training.train.log import HeldOut, Infilled, Measured

__all__ = ["Display"]

_MINUTE_S = 60


class Display:
    """Writes to a terminal, or line by line to anything else."""

    def __init__(self, stream: TextIO) -> None:
        """Write to ``stream``."""
        self._stream = stream
        # A terminal's line is wiped before it is written over.
        self._before, self._after = ("\r\x1b[K", "") if stream.isatty() else ("", "\n")
        self._held_out = ""

    def say(self, line: str) -> None:
        """Show a line that stays."""
        self._stream.write(f"{self._before}{line}\n")
        self._stream.flush()

    def measured(self, measured: Measured) -> None:
        """Show where the run is."""
        peak = measured.peak_share
        parts = (
            f"{measured.share:6.1%}",
            f"step {measured.step}",
            f"{measured.tokens / 1e6:,.1f}M tokens",
            f"loss {measured.loss:.3f} (middles {measured.middle_loss:.3f})",
            self._held_out,
            f"{measured.tokens_per_s:,.0f} tokens/s",
            "" if peak is None else f"{peak:.0%} of peak",
            f"{_clock(measured.left_s)} left",
        )
        line = " | ".join(filter(None, parts))
        self._stream.write(f"{self._before}{line}{self._after}")
        self._stream.flush()

    def held_out(self, held_out: HeldOut) -> None:
        """Remember the loss to show from now on."""
        self._held_out = f"held-out middles {held_out.held_out_middle_loss:.3f}"

    def infilled(self, infilled: Infilled) -> None:
        """Show what came of a benchmark's gaps."""
        self.say(
            f"{infilled.tasks} gaps: {infilled.exact:.1%} exact, without suffix "
            f"{infilled.exact_without_suffix:.1%}, {infilled.stops:.0%} end by "
            "themselves"
        )


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), _MINUTE_S)
    return f"{minutes}:{rest:02d}"
