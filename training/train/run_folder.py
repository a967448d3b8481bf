"""The folder that a run writes: checkpoint, model, log and a picture of the losses."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import matplotlib as mpl
import torch
from matplotlib.figure import Figure

from lsp_server.errors import TrainingError
from training.corpus.attribution import ATTRIBUTION
from training.parts import split
from training.train.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from training.train.config import TrainConfig
from training.train.data import Position
from training.train.export import save_model
from training.train.log import Entry, TrainingLog
from training.train.network import Decoder
from training.train.scores import Infilling, write_scores

__all__ = [
    "RunFolder",
    "draw_losses",
    "fingerprint",
]

_CHECKPOINT = "checkpoint.pt"
_ANSWERS = "infilled.jsonl"
_LOG = "log.jsonl"
_MODEL = "model"
_PARTS = "parts"
_PICTURE = "loss.svg"
_LOSSES = ("middle", "context", "held_out_middle")


class RunFolder:
    """The files of a run, written and read under one configuration."""

    def __init__(
        self,
        folder: Path,
        config: TrainConfig,
        *,
        processes: int,
        weights: Path | None = None,
    ) -> None:
        """Create the folder.

        Args:
            folder: Folder of the run.
            config: The run's configuration.
            processes: Number of processes that train.
            weights: Folder of the model whose weights the run starts from.

        Raises:
            TrainingError: It cannot be created.
        """
        self._folder, self._config = folder, config
        corpus = Path(config.data.corpus)
        self._read = [corpus, weights] if weights else [corpus]
        self._fingerprint = fingerprint(config, processes=processes)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise TrainingError(
                f"the folder cannot be made ({exc.strerror})",
                subject=str(folder),
                remedy="Choose another",
            ) from exc

    def __str__(self) -> str:
        return str(self._folder)

    def load(self) -> Checkpoint:
        """Return the checkpoint.

        Raises:
            TrainingError: There is none, or it is of another configuration.
        """
        return load_checkpoint(
            self._folder / _CHECKPOINT, expected_fingerprint=self._fingerprint
        )

    def open_log(self, *, steps: int) -> None:
        """Open the log after its first ``steps`` steps, and drop later entries.

        Raises:
            TrainingError: It cannot be read or written.
        """
        self._log = TrainingLog(self._folder / _LOG, keep_steps=steps)

    def add(self, entry: Entry) -> None:
        """Append an entry to the log.

        Raises:
            TrainingError: It cannot be written.
        """
        self._log.add(entry)

    def save_answers(self, infilling: Infilling) -> None:
        """Write the model's answers to a benchmark.

        Raises:
            TrainingError: They cannot be written.
        """
        path = self._folder / _ANSWERS
        try:
            write_scores(path, infilling)
        except OSError as exc:
            raise _unwritten(path, "file of answers", exc) from exc

    def save(
        self,
        network: Decoder,
        *,
        optimiser: Mapping[str, object],
        step: int,
        tokens: int,
        elapsed_s: float,
        positions: tuple[Position, ...],
        end_id: int,
    ) -> None:
        """Write checkpoint and model, each in place of the last one.

        The model is written once more in parts, which are easy to copy away.

        Args:
            network: The weights.
            optimiser: What `Optimiser.state` returned.
            step: Steps done.
            tokens: Tokens read.
            elapsed_s: Seconds spent on steps.
            positions: How far each process has read its part of the stream.
            end_id: The token that begins and ends a document.

        Raises:
            TrainingError: One of them cannot be written.
        """
        save_checkpoint(
            self._folder / _CHECKPOINT,
            Checkpoint(
                fingerprint=self._fingerprint,
                step=step,
                tokens=tokens,
                elapsed_s=elapsed_s,
                positions=positions,
                network=network.state_dict(),
                optimiser=optimiser,
            ),
        )
        save_model(
            network,
            self._folder / _MODEL,
            shape=self._config.shape,
            tokenizer=Path(self._config.data.tokenizer),
            attributions=[folder / ATTRIBUTION for folder in self._read],
            end_id=end_id,
            dtype=torch.bfloat16,
        )
        split(self._folder / _MODEL, self._folder / _PARTS)

    def draw(self) -> None:
        """Draw the losses so far.

        Raises:
            TrainingError: The picture cannot be written.
        """
        picture = self._folder / _PICTURE
        try:
            draw_losses(self._log.entries(), picture)
        except OSError as exc:
            raise _unwritten(picture, "picture", exc) from exc


def fingerprint(config: TrainConfig, *, processes: int) -> str:
    """Return what must not change when a run is resumed, as a text."""
    data = replace(config.data, corpus="", tokenizer="", workers=0)
    return f"{replace(config, data=data)!r} in {processes}"


def draw_losses(entries: Iterable[Mapping[str, float]], path: Path) -> None:
    """Draw the losses of a log over the tokens read, as an SVG file.

    The same entries give the same file.

    Raises:
        OSError: The file cannot be written.
    """
    found = list(entries)
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    for name in _LOSSES:
        key = f"{name}_loss"
        points = [each for each in found if key in each]
        axes.plot(
            [point["tokens"] / 1e6 for point in points],
            [point[key] for point in points],
            # A point without neighbours has no line.
            marker=".",
            markersize=3,
            label=name.replace("_", " "),
            gid=name,
        )
    axes.set(xlabel="million tokens", ylabel="loss in nats per token")
    axes.grid(alpha=0.3)
    axes.legend()
    # Else the file's ids are random, and its metadata holds the time.
    with mpl.rc_context({"svg.hashsalt": "midfill", "svg.fonttype": "none"}):
        figure.savefig(path, format="svg", metadata={"Date": None})


def _unwritten(path: Path, what: str, exc: OSError) -> TrainingError:
    return TrainingError(
        f"the {what} cannot be written ({exc.strerror})",
        subject=str(path),
        remedy="Make room, and resume",
    )
