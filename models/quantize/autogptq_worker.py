"""Quantises one checkpoint with auto-gptq. Runs alone, in an environment of its own.

It is started with the path of a JSON file, the job, and imports nothing of Midfill:
the environment of auto-gptq holds an older transformers than the server's. It knows
neither tokenizers nor text; calibration comes as token ids. Progress goes to stderr.

The job's keys: ``source`` (folder: config.json and safetensors), ``calibration``
(JSON file: lists of token ids), ``output`` (the safetensors file to write), ``bits``,
``group_size``, ``damp_percent``.
"""

import contextlib
import importlib
import json
import logging
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file


def main(job_path: Path) -> None:
    """Do the job that the file describes."""
    job = json.loads(job_path.read_text(encoding="utf-8"))
    device = torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    logging.getLogger("auto_gptq").setLevel(logging.INFO)
    _say(f"quantising on {device.type}")
    model = _load(Path(job["source"]), device)
    source_names = frozenset(model.state_dict())
    tied = bool(model.config.tie_word_embeddings)
    dtype = _weights_dtype(Path(job["source"]))
    quantised = _wrap(model, job)
    with _without_cuda(device):
        quantised.quantize(
            _examples(Path(job["calibration"])),
            batch_size=1,
            cache_examples_on_gpu=device.type == "cuda",
        )
    tensors = tidy(
        quantised.model.state_dict(),
        source_names=source_names,
        dropped=frozenset({"lm_head.weight"} if tied else ()),
        group_size=job["group_size"],
        dtype=dtype,
    )
    _say("writing the weights")
    save_file(tensors, job["output"], {"format": "pt"})


def tidy(
    tensors: Mapping[str, torch.Tensor],
    *,
    source_names: frozenset[str],
    dropped: frozenset[str],
    group_size: int,
    dtype: torch.dtype,
) -> dict[str, torch.Tensor]:
    """Bring auto-gptq's tensors into the form that vLLM reads.

    Left out are a second copy of tied weights, and the biases of zeros that auto-gptq
    gives to layers which had none. Scales become float16, other weights ``dtype``.

    Args:
        tensors: The quantised model's state.
        source_names: The names of the source's tensors.
        dropped: Names of tensors that are copies of others.
        group_size: Columns that share a scale.
        dtype: Type of the weights that are not quantised.

    Raises:
        ValueError: A layer's groups are not consecutive columns, so that
            ``desc_act: false`` would be a lie.
    """
    kept: dict[str, torch.Tensor] = {}
    for name, tensor in tensors.items():
        if name in dropped or (name.endswith(".bias") and name not in source_names):
            continue
        if name.endswith(".g_idx"):
            sequential = torch.arange(len(tensor)) // group_size
            if not torch.equal(tensor.long().cpu(), sequential):
                raise ValueError(f"{name}: the groups are not consecutive columns")
        wanted = torch.float16 if name.endswith(".scales") else dtype
        changed = tensor.to(wanted) if tensor.is_floating_point() else tensor
        kept[name] = changed.detach().cpu().contiguous()
    return kept


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


def _examples(path: Path) -> list[dict[str, torch.Tensor]]:
    samples = json.loads(path.read_text(encoding="utf-8"))
    return [
        {
            "input_ids": torch.tensor([ids]),  # (1, T)
            "attention_mask": torch.ones(1, len(ids), dtype=torch.long),  # (1, T)
        }
        for ids in samples
    ]


def _weights_dtype(source: Path) -> torch.dtype:
    config = json.loads((source / "config.json").read_text(encoding="utf-8"))
    dtype: torch.dtype = getattr(torch, config["torch_dtype"])
    return dtype


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
