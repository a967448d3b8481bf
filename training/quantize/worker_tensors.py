"""What the workers share about devices, samples and tensors. Needs PyTorch."""

import json
from collections.abc import Mapping
from pathlib import Path

import torch

from training.quantize.worker_report import MissingDeviceError

__all__ = ["choose_device", "normalise_tensors", "read_examples", "weights_dtype"]


def choose_device(name: str) -> torch.device:
    """Return the device called ``name``; ``auto`` is a GPU if PyTorch sees one.

    Raises:
        MissingDeviceError: ``name`` is ``cuda``, and PyTorch sees no GPU.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise MissingDeviceError(f"PyTorch {torch.__version__} sees no CUDA device")
    if name == "cpu" or not torch.cuda.is_available():
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
    """Return the type of the weights that are not quantised."""
    config = json.loads((source / "config.json").read_text(encoding="utf-8"))
    dtype: torch.dtype = getattr(torch, config["torch_dtype"])
    return dtype


def normalise_tensors(
    tensors: Mapping[str, torch.Tensor],
    *,
    source_names: frozenset[str],
    dropped: frozenset[str],
    group_size: int,
    dtype: torch.dtype,
) -> dict[str, torch.Tensor]:
    """Return a quantised model's tensors as vLLM reads them.

    Removed are the second copy of tied weights, and the zero biases that auto-gptq
    adds to layers without one. Scales become float16, other weights ``dtype``.

    Args:
        tensors: The quantised model's state.
        source_names: The names of the source's tensors.
        dropped: Names of tensors that are copies of others.
        group_size: Columns that share a scale.
        dtype: Type of the weights that are not quantised.

    Raises:
        ValueError: A layer's groups are not consecutive columns, which contradicts
            ``desc_act: false`` in the written configuration.
    """
    kept: dict[str, torch.Tensor] = {}
    for name, tensor in tensors.items():
        if name in dropped or (name.endswith(".bias") and name not in source_names):
            continue
        if name.endswith(".g_idx"):
            sequential = torch.arange(len(tensor)) // group_size
            if not torch.equal(tensor.long().cpu(), sequential):
                raise ValueError(f"{name}: the groups are not consecutive columns")
        target = torch.float16 if name.endswith(".scales") else dtype
        changed = tensor.to(target) if tensor.is_floating_point() else tensor
        kept[name] = changed.detach().cpu().contiguous()
    return kept
