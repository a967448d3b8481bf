"""The folder that a run leaves behind: model, checkpoint, log and picture."""

from collections.abc import Mapping
from pathlib import Path

import torch

from lsp_server.errors import TrainingError
from training.train.checkpoint import (
    Checkpoint,
    fingerprint,
    load_checkpoint,
    save_checkpoint,
)
from training.train.config import TrainConfig
from training.train.data import Position
from training.train.export import save_model
from training.train.infilling import Infilling, write_scores
from training.train.log import Entry, TrainingLog
from training.train.network import Decoder
from training.train.picture import draw_log

__all__ = ["RunFolder"]

_CHECKPOINT = "checkpoint.pt"
_ANSWERS = "infilled.jsonl"
_LOG = "log.jsonl"
_MODEL = "model"
_PICTURE = "loss.svg"


class RunFolder:
    """Where a run under one configuration, in so many processes, writes."""

    def __init__(self, folder: Path, config: TrainConfig, *, processes: int) -> None:
        """Make the folder.

        Raises:
            TrainingError: It cannot be made.
        """
        self._folder, self._config = folder, config
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

    def saved(self) -> Checkpoint:
        """Give the checkpoint.

        Raises:
            TrainingError: There is none to be used, or it is of another configuration.
        """
        return load_checkpoint(
            self._folder / _CHECKPOINT, expected_fingerprint=self._fingerprint
        )

    def keep_log(self, *, steps: int) -> None:
        """Go on with the log behind its first ``steps`` steps, and drop what follows.

        Raises:
            TrainingError: It cannot be read or written.
        """
        self._log = TrainingLog(self._folder / _LOG, keep_steps=steps)

    def add(self, entry: Entry) -> None:
        """Append a line to the log.

        Raises:
            TrainingError: It cannot be written.
        """
        self._log.add(entry)

    def keep_answers(self, infilling: Infilling) -> None:
        """Write what the model answered.

        Raises:
            TrainingError: It cannot be written.
        """
        try:
            write_scores(self._folder / _ANSWERS, infilling)
        except OSError as exc:
            raise TrainingError(
                f"the answers cannot be written ({exc.strerror})",
                subject=str(self._folder / _ANSWERS),
                remedy="Make room, and resume",
            ) from exc

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
        """Write checkpoint, model and picture, each over the one before.

        Args:
            network: The weights.
            optimiser: What `Optimiser.state` gave.
            step: Steps done.
            tokens: Tokens read.
            elapsed_s: Seconds spent on steps.
            positions: What each process has used up of its part of the stream.
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
            attribution=Path(self._config.data.corpus) / "ATTRIBUTION.md",
            end_id=end_id,
            dtype=torch.bfloat16,
        )
        picture = draw_log(self._log.entries())
        try:
            (self._folder / _PICTURE).write_text(picture, encoding="utf-8")
        except OSError as exc:
            raise TrainingError(
                f"the picture cannot be written ({exc.strerror})",
                subject=str(self._folder / _PICTURE),
                remedy="Make room, and resume",
            ) from exc
