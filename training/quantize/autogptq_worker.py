"""Quantises a checkpoint with auto-gptq, as a worker in auto-gptq's environment.

That environment has an older transformers than the server's, so the calibration comes
as token ids and no tokenizer is used. The job's keys:

- ``source``: folder with config.json and safetensors files
- ``calibration``: JSON file with lists of token ids
- ``output``: the safetensors file to write
- ``bits``, ``group_size``, ``damp_percent``
- ``device``: auto, cpu or cuda
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

from training.quantize.worker_report import Reporter
from training.quantize.worker_tensors import (
    choose_device,
    normalise_tensors,
    read_examples,
    weights_dtype,
)

__all__ = ["main"]

_LAYER = re.compile(r"Start quantizing layer (\d+)/(\d+)")
_WORK = "quantising layers"


def main(job: Mapping[str, Any], reporter: Reporter) -> None:
    """Quantise the job's ``source`` into its ``output``."""
    device = choose_device(job["device"])
    source = Path(job["source"])
    reporter.say(f"quantising on {device.type}")
    model = _load(source, device)
    source_names = frozenset(model.state_dict())
    tied = bool(model.config.tie_word_embeddings)
    quantised = _wrap(model, job)
    with _on_device(device), _layers_reported(reporter):
        quantised.quantize(
            read_examples(Path(job["calibration"])),
            batch_size=1,
            cache_examples_on_gpu=device.type == "cuda",
        )
    tensors = normalise_tensors(
        quantised.model.state_dict(),
        source_names=source_names,
        dropped=frozenset({"lm_head.weight"} if tied else ()),
        group_size=job["group_size"],
        dtype=weights_dtype(source),
    )
    reporter.say("writing the weights")
    save_file(tensors, job["output"], {"format": "pt"})


class LayerHandler(logging.Handler):
    """Reports progress from auto-gptq's log.

    Source: auto-gptq 0.7.1, ``modeling/_base.py``.
    """

    def __init__(self, reporter: Reporter) -> None:
        """Report to ``reporter``."""
        super().__init__()
        self._reporter = reporter
        self.total = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Report the layers before the one that begins as done."""
        if found := _LAYER.match(record.getMessage()):
            number, self.total = map(int, found.groups())
            self._reporter.step(_WORK, number - 1, self.total)


@contextlib.contextmanager
def _layers_reported(reporter: Reporter) -> Iterator[None]:
    logger = logging.getLogger("auto_gptq")
    logger.setLevel(logging.INFO)
    handler = LayerHandler(reporter)
    # auto-gptq's modules log to children of this logger.
    logger.addHandler(handler)
    yield
    reporter.step(_WORK, handler.total, handler.total)


def _load(source: Path, device: torch.device) -> Any:  # noqa: ANN401  # transformers is untyped
    """Load the model on the CPU; auto-gptq moves each layer to the device."""
    transformers = importlib.import_module("transformers")
    # float32 is better for the Hessians, and a CPU has no faster type.
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
    """Wrap the model in auto-gptq's class; its `from_pretrained` requires CUDA."""
    auto = importlib.import_module("auto_gptq.modeling.auto")
    gptq = importlib.import_module("auto_gptq")
    # Static groups with activation order: the scales are set before the columns are
    # reordered, so groups stay consecutive and the accuracy of reordering is kept.
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
def _on_device(device: torch.device) -> Iterator[None]:
    """Make auto-gptq run on ``device``, although its code names CUDA.

    Source: auto-gptq 0.7.1, ``modeling/_base.py`` (CUDA_0) and
    ``quantization/gptq.py`` (the call of synchronize).
    """
    if device.type == "cuda":
        yield
        return
    base: Any = importlib.import_module("auto_gptq.modeling._base")
    cuda: Any = torch.cuda
    before = base.CUDA_0, cuda.synchronize
    base.CUDA_0, cuda.synchronize = device, _no_wait
    try:
        yield
    finally:
        base.CUDA_0, cuda.synchronize = before


def _no_wait() -> None:
    """Replace `torch.cuda.synchronize`: on a CPU nothing runs asynchronously."""
