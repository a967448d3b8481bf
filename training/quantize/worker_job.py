"""What every worker reads of its job: device, calibration, types. Needs torch."""

import json
from pathlib import Path

import torch

from training.quantize.worker_voice import MissingDeviceError

__all__ = ["choose_device", "read_examples", "weights_dtype"]


def choose_device(wanted: str) -> torch.device:
    """Give the device that is asked for; ``auto`` takes a GPU where torch sees one.

    Raises:
        MissingDeviceError: CUDA is asked for, and this torch sees no GPU.
    """
    if wanted == "cuda" and not torch.cuda.is_available():
        raise MissingDeviceError(f"PyTorch {torch.__version__} sees no CUDA device")
    if wanted == "cpu" or not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda:0")


def read_examples(path: Path) -> list[dict[str, torch.Tensor]]:
    """Read lists of token ids, each as a batch of one."""
    samples = json.loads(path.read_text(encoding="utf-8"))
    return [
        {
            "input_ids": torch.tensor([ids]),  # (1, T)
            "attention_mask": torch.ones(1, len(ids), dtype=torch.long),  # (1, T)
        }
        for ids in samples
    ]


def weights_dtype(source: Path) -> torch.dtype:
    """Give the type of the weights that are not quantised."""
    config = json.loads((source / "config.json").read_text(encoding="utf-8"))
    dtype: torch.dtype = getattr(torch, config["torch_dtype"])
    return dtype
