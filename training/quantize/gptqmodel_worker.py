"""Quantises a checkpoint with GPTQModel, as a worker in the server's environment.

The job's keys are those of `autogptq_worker`, and ``scratch``, a folder for temporary
files. Only the weights of GPTQModel's checkpoint are used: its config names temporary
folders, and its tokenizer is a modified one.
"""

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from training.quantize.worker_report import Reporter
from training.quantize.worker_tensors import (
    choose_device,
    normalise_tensors,
    read_examples,
    weights_dtype,
)

__all__ = ["main"]

_WORK = "quantising layers"


def main(job: Mapping[str, Any], reporter: Reporter) -> None:
    """Quantise the job's ``source`` into its ``output``."""
    device = choose_device(job["device"])
    source, scratch = Path(job["source"]), Path(job["scratch"])
    reporter.say(f"quantising on {device.type}; the first time, a packer is compiled")
    model = _load(source, job, device)
    layers = int(model.config.num_hidden_layers)
    tied = bool(model.config.tie_word_embeddings)
    model.layer_callback = LayerCallback(reporter, layers)
    model.quantize(read_examples(Path(job["calibration"])), batch_size=1)
    reporter.say("writing the weights")
    written = scratch / "written"
    model.save(str(written))
    tensors: dict[str, torch.Tensor] = {}
    for path in sorted(written.glob("*.safetensors")):
        tensors |= load_file(path)
    kept = normalise_tensors(
        tensors,
        # It adds no biases, so every bias is the source's.
        source_names=frozenset(tensors),
        dropped=frozenset({"lm_head.weight"} if tied else ()),
        group_size=job["group_size"],
        dtype=weights_dtype(source),
    )
    save_file(kept, job["output"], {"format": "pt"})


class LayerCallback:
    """Reports progress from GPTQModel's callbacks.

    Source: gptqmodel 7.6.0, ``looper/module_looper.py``; it calls twice for a layer,
    the second time when the layer is packed.
    """

    def __init__(self, reporter: Reporter, total: int) -> None:
        """Report to ``reporter``."""
        self._reporter = reporter
        self._total = total
        reporter.step(_WORK, 0, total)

    def layer_complete(
        self,
        *,
        layer_idx: int,
        submodule_finalized: bool,  # GPTQModel passes it by this name
    ) -> None:
        """Report a packed layer as done."""
        if submodule_finalized:
            self._reporter.step(_WORK, layer_idx + 1, self._total)


def _load(source: Path, job: Mapping[str, Any], device: torch.device) -> Any:  # noqa: ANN401  # GPTQModel is untyped
    gptqmodel = importlib.import_module("gptqmodel")
    config = gptqmodel.QuantizeConfig(
        bits=job["bits"],
        group_size=job["group_size"],
        damp_percent=job["damp_percent"],
        sym=True,
        # Static groups with activation order, as for auto-gptq: the groups stay
        # consecutive columns.
        desc_act=True,
        act_group_aware=False,
        static_groups=True,
        # A layer that calibration does not reach is an error, not rounded plainly.
        fallback=None,
        offload_to_disk_path=str(Path(job["scratch"]) / "offloaded"),
    )
    return gptqmodel.GPTQModel.from_pretrained(
        str(source), config, device=str(device), trust_remote_code=False
    )
