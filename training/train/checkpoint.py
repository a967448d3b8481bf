"""A run's checkpoint: what a later process needs to go on from there."""

import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from lsp_server.errors import TrainingError
from lsp_server.files import atomic_write
from lsp_server.operating_system import reason_of
from training.train.data import Position

__all__ = ["Checkpoint", "load_checkpoint", "save_checkpoint"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """The state of a run between two steps.

    Attributes:
        fingerprint: Identifies the configuration; a run is resumed only under it.
        step: Steps done.
        tokens: Tokens read.
        elapsed_s: Seconds spent on steps.
        positions: How far each process has read its part of the stream.
        network: Weights by name.
        optimiser: What `Optimiser.state` returned.
    """

    fingerprint: str
    step: int
    tokens: int
    elapsed_s: float
    positions: tuple[Position, ...]
    network: Mapping[str, torch.Tensor]
    optimiser: Mapping[str, object]


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint; if that fails, the file at ``path`` stays as it was.

    Raises:
        TrainingError: It cannot be written.
    """
    content = {
        "fingerprint": checkpoint.fingerprint,
        "step": checkpoint.step,
        "tokens": checkpoint.tokens,
        "elapsed_s": checkpoint.elapsed_s,
        "positions": [(each.item, each.row) for each in checkpoint.positions],
        "network": dict(checkpoint.network),
        "optimiser": dict(checkpoint.optimiser),
    }
    try:
        with atomic_write(path) as file:
            torch.save(content, file)
    # torch reports a full disk as RuntimeError.
    except (OSError, RuntimeError) as exc:
        raise TrainingError(
            f"the checkpoint cannot be written ({reason_of(exc)})",
            subject=str(path),
            remedy="Make room, and resume from the last checkpoint",
        ) from exc


def load_checkpoint(path: Path, *, expected_fingerprint: str) -> Checkpoint:
    """Read a checkpoint, without running code in it.

    Raises:
        TrainingError: It cannot be read, or is of another configuration.
    """
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
        checkpoint = Checkpoint(
            fingerprint=saved["fingerprint"],
            step=saved["step"],
            tokens=saved["tokens"],
            elapsed_s=saved["elapsed_s"],
            positions=tuple(
                Position(item=item, row=row) for item, row in saved["positions"]
            ),
            network=saved["network"],
            optimiser=saved["optimiser"],
        )
    except (OSError, EOFError, RuntimeError, pickle.UnpicklingError) as exc:
        raise _unusable(
            path, f"there is no readable checkpoint ({reason_of(exc)})"
        ) from exc
    except (KeyError, TypeError) as exc:
        raise _unusable(path, "it is no checkpoint of this program") from exc
    if checkpoint.fingerprint != expected_fingerprint:
        raise _unusable(path, "it was made under another configuration")
    return checkpoint


def _unusable(path: Path, what: str) -> TrainingError:
    return TrainingError(
        what,
        subject=str(path),
        remedy="Resume with the run's own configuration, or leave --resume out",
    )
