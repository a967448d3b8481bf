"""Quantises one checkpoint with GPTQModel. Runs alone, in the server's environment.

The job's keys are those of its neighbour for auto-gptq, and ``scratch``, a folder for
what GPTQModel puts aside. Of the checkpoint that GPTQModel writes only the weights are
taken: its config names temporary folders, and its tokenizer is a changed one.
"""

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from training.quantize.tidy import tidy
from training.quantize.worker_job import choose_device, read_examples, weights_dtype
from training.quantize.worker_voice import Voice

__all__ = ["main"]

_WORK = "quantising layers"


def main(job: Mapping[str, Any], voice: Voice) -> None:
    """Do the job."""
    device = choose_device(job["device"])
    source, scratch = Path(job["source"]), Path(job["scratch"])
    voice.say(f"quantising on {device.type}; the first time, a packer is compiled")
    model = _load(source, job, device)
    layers = int(model.config.num_hidden_layers)
    tied = bool(model.config.tie_word_embeddings)
    model.layer_callback = LayerCallback(voice, layers)
    model.quantize(read_examples(Path(job["calibration"])), batch_size=1)
    voice.say("writing the weights")
    written = scratch / "written"
    model.save(str(written))
    tensors: dict[str, torch.Tensor] = {}
    for path in sorted(written.glob("*.safetensors")):
        tensors |= load_file(path)
    kept = tidy(
        tensors,
        # It makes no biases up, so what has one had it before.
        source_names=frozenset(tensors),
        dropped=frozenset({"lm_head.weight"} if tied else ()),
        group_size=job["group_size"],
        dtype=weights_dtype(source),
    )
    save_file(kept, job["output"], {"format": "pt"})


class LayerCallback:
    """Hears from GPTQModel which layer is done.

    Source: gptqmodel 7.6.0, ``looper/module_looper.py``; it calls twice for a layer,
    at last when the layer is packed.
    """

    def __init__(self, voice: Voice, total: int) -> None:
        """Report to ``voice``."""
        self._voice = voice
        self._total = total
        voice.step(_WORK, 0, total)

    def layer_complete(
        self,
        *,
        layer_idx: int,
        submodule_finalized: bool,  # its name and form
    ) -> None:
        """Report a layer that is packed."""
        if submodule_finalized:
            self._voice.step(_WORK, layer_idx + 1, self._total)


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
        # A layer that calibration does not reach is an error, never plain rounding.
        fallback=None,
        offload_to_disk_path=str(Path(job["scratch"]) / "offloaded"),
    )
    return gptqmodel.GPTQModel.from_pretrained(
        str(source), config, device=str(device), trust_remote_code=False
    )
