"""Quantises one checkpoint with auto-gptq. Runs alone, in an environment of its own.

That environment holds an older transformers than the server's, so this knows neither
tokenizers nor text; calibration comes as token ids.

The job's keys: ``source`` (folder: config.json and safetensors), ``calibration``
(JSON file: lists of token ids), ``output`` (the safetensors file to write), ``bits``,
``group_size``, ``damp_percent``, ``device`` (auto, cpu or cuda).
"""

import contextlib
import importlib
import logging
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from training.quantize.tidy import tidy
from training.quantize.worker_job import choose_device, read_examples, weights_dtype
from training.quantize.worker_voice import Voice

__all__ = ["main"]

_LAYER = re.compile(r"Start quantizing layer (\d+)/(\d+)")
_WORK = "quantising layers"


def main(job: Mapping[str, Any], voice: Voice) -> None:
    """Do the job."""
    device = choose_device(job["device"])
    source = Path(job["source"])
    voice.say(f"quantising on {device.type}")
    model = _load(source, device)
    source_names = frozenset(model.state_dict())
    tied = bool(model.config.tie_word_embeddings)
    quantised = _wrap(model, job)
    with _without_cuda(device), _layers_told(voice):
        quantised.quantize(
            read_examples(Path(job["calibration"])),
            batch_size=1,
            cache_examples_on_gpu=device.type == "cuda",
        )
    tensors = tidy(
        quantised.model.state_dict(),
        source_names=source_names,
        dropped=frozenset({"lm_head.weight"} if tied else ()),
        group_size=job["group_size"],
        dtype=weights_dtype(source),
    )
    voice.say("writing the weights")
    save_file(tensors, job["output"], {"format": "pt"})


class LayerHandler(logging.Handler):
    """Turns auto-gptq's log into reports.

    Source: auto-gptq 0.7.1, ``modeling/_base.py``.
    """

    def __init__(self, voice: Voice) -> None:
        """Report to ``voice``."""
        super().__init__()
        self._voice = voice
        self.total = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Report a layer that begins: those before it are done."""
        if found := _LAYER.match(record.getMessage()):
            number, self.total = map(int, found.groups())
            self._voice.step(_WORK, number - 1, self.total)


@contextlib.contextmanager
def _layers_told(voice: Voice) -> Iterator[None]:
    logger = logging.getLogger("auto_gptq")
    logger.setLevel(logging.INFO)
    handler = LayerHandler(voice)
    # auto-gptq's modules log to children of this one.
    logger.addHandler(handler)
    yield
    voice.step(_WORK, handler.total, handler.total)


def _load(source: Path, device: torch.device) -> Any:  # noqa: ANN401  # transformers is untyped
    """Load the model on the CPU; auto-gptq moves layer by layer to the device."""
    transformers = importlib.import_module("transformers")
    # The Hessians want float32, which is slow only where there is a faster type.
    dtype = torch.float32 if device.type == "cpu" else torch.float16
    model = transformers.AutoModelForCausalLM.from_pretrained(
        source,
        torch_dtype=dtype,
        use_safetensors=True,
        local_files_only=True,
        trust_remote_code=False,
    )
    return model.eval()


def _wrap(
    model: Any,  # noqa: ANN401  # transformers is untyped
    job: Mapping[str, Any],
) -> Any:  # noqa: ANN401  # auto-gptq is untyped
    """Give the model to auto-gptq, by its class: `from_pretrained` demands CUDA."""
    auto = importlib.import_module("auto_gptq.modeling.auto")
    gptq = importlib.import_module("auto_gptq")
    # Static groups with activation order: the scales are set column by column before
    # the order changes, so the result has consecutive groups and still its accuracy.
    config = gptq.BaseQuantizeConfig(
        bits=job["bits"],
        group_size=job["group_size"],
        damp_percent=job["damp_percent"],
        sym=True,
        desc_act=True,
        static_groups=True,
    )
    adapter = auto.GPTQ_CAUSAL_LM_MODEL_MAP[model.config.model_type]
    return adapter(model, quantized=False, quantize_config=config)


@contextlib.contextmanager
def _without_cuda(device: torch.device) -> Iterator[None]:
    """Let auto-gptq run on ``device``, where it has CUDA written into its code.

    Source: auto-gptq 0.7.1, ``modeling/_base.py`` (CUDA_0) and
    ``quantization/gptq.py`` (the call of synchronize).
    """
    if device.type == "cuda":
        yield
        return
    base: Any = importlib.import_module("auto_gptq.modeling._base")
    cuda: Any = torch.cuda
    before = base.CUDA_0, cuda.synchronize
    base.CUDA_0, cuda.synchronize = device, _nothing
    try:
        yield
    finally:
        base.CUDA_0, cuda.synchronize = before


def _nothing() -> None:
    """Stand in for a wait that has nothing to wait for."""
