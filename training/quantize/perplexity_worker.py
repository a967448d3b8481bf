"""Compares a quantised checkpoint with its source, as a worker beside the quantiser.

It unpacks the quantised weights itself, not with the quantiser's code, so that a
mistake in packing shows. The job's keys:

- ``source``: folder with config.json and safetensors files
- ``quantised``: the quantised safetensors file
- ``samples``: JSON file with objects of ``token_ids`` and ``middle_start``
- ``output``: the JSON file to write
- ``bits``, ``group_size``
- ``device``: auto, cpu or cuda
"""

import importlib
import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from training.quantize.worker_report import Reporter
from training.quantize.worker_tensors import choose_device

__all__ = ["main"]

_INT32_BITS = 32


def main(job: Mapping[str, Any], reporter: Reporter) -> None:
    """Write the comparison of the job's two checkpoints to its ``output``."""
    samples = json.loads(Path(job["samples"]).read_text(encoding="utf-8"))
    device = choose_device(job["device"])
    transformers = importlib.import_module("transformers")
    # transformers 4 and 5 name the argument for the type differently; both can
    # convert afterwards.
    source = transformers.AutoModelForCausalLM.from_pretrained(
        job["source"],
        use_safetensors=True,
        local_files_only=True,
        trust_remote_code=False,
    ).float()
    packed = load_file(job["quantised"])
    state = unpack(packed, bits=job["bits"], group_size=job["group_size"])
    quantised = transformers.AutoModelForCausalLM.from_config(source.config).float()
    missing, unexpected = quantised.load_state_dict(state, strict=False)
    # A tied head is stored only once.
    if unexpected or set(missing) - {"lm_head.weight"}:
        raise ValueError(f"tensors do not fit: {missing} {unexpected}")
    quantised.tie_weights()
    result = compare(
        source.eval().to(device),
        quantised.eval().to(device),
        samples,
        device,
        lambda done: reporter.step("comparing samples", done, len(samples)),
    )
    Path(job["output"]).write_text(json.dumps(result), encoding="utf-8")


def unpack(
    tensors: dict[str, torch.Tensor], *, bits: int, group_size: int
) -> dict[str, torch.Tensor]:
    """Turn packed layers back into float32 matrices of (out, in).

    Source: the storage of GPTQ checkpoints, first version: ``bits`` bits per weight,
    lowest first, packed along the inputs (zeros: along the outputs) into int32, and
    the zero point stored less one.
    """
    state = {}
    for name, tensor in tensors.items():
        layer, _, part = name.rpartition(".")
        if part == "qweight":
            codes = _unpack_rows(tensor, bits)  # (in, out)
            zeros = (
                _unpack_rows(tensors[f"{layer}.qzeros"].T, bits).T + 1
            )  # (in/G, out)
            groups = torch.arange(len(codes)) // group_size  # (in,)
            if not torch.equal(tensors[f"{layer}.g_idx"].long(), groups):
                raise ValueError(f"{layer}: the groups are not consecutive columns")
            scales = tensors[f"{layer}.scales"].float()  # (in/G, out)
            matrix = (codes - zeros[groups]) * scales[groups]
            state[f"{layer}.weight"] = matrix.T.contiguous()
        elif part not in {"qzeros", "scales", "g_idx"}:
            state[name] = tensor.float() if tensor.is_floating_point() else tensor
    return state


def _unpack_rows(packed: torch.Tensor, bits: int) -> torch.Tensor:
    """Unpack int32 of (n, m) into codes of (n * 32 / bits, m)."""
    shifts = torch.arange(0, _INT32_BITS, bits).reshape(1, -1, 1)
    codes: torch.Tensor = packed.unsqueeze(1).bitwise_right_shift(shifts) & (
        2**bits - 1
    )
    return codes.reshape(-1, packed.shape[1])


@torch.inference_mode()
def compare(
    source: Any,  # noqa: ANN401  # transformers is untyped
    quantised: Any,  # noqa: ANN401  # as above
    samples: list[dict[str, Any]],
    device: torch.device,
    on_sample: Callable[[int], None],
) -> dict[str, float]:
    """Run both models over the samples.

    ``on_sample`` is called with the number of samples done, from 0 on.

    Returns:
        Perplexity of both, over all tokens and over the middles; the mean
        Kullback-Leibler divergence of the quantised model's distribution, in nats; and
        the share of tokens for which both rank the same one first.
    """
    totals = torch.zeros(6, dtype=torch.float64)
    tokens = middle_tokens = 0
    on_sample(0)
    for number, sample in enumerate(samples, start=1):
        ids = torch.tensor([sample["token_ids"]], device=device)  # (1, T)
        expected = ids[0, 1:, None]  # (T-1, 1)
        first = source(ids).logits[0, :-1].float().log_softmax(-1)  # (T-1, V)
        second = quantised(ids).logits[0, :-1].float().log_softmax(-1)  # (T-1, V)
        losses = [-each.gather(-1, expected)[:, 0] for each in (first, second)]
        middle = slice(sample["middle_start"] - 1, None)
        totals += torch.tensor(
            [
                *(loss.double().sum().item() for loss in losses),
                *(loss[middle].double().sum().item() for loss in losses),
                (first.exp() * (first - second)).double().sum().item(),
                (first.argmax(-1) == second.argmax(-1)).double().sum().item(),
            ],
            dtype=torch.float64,
        )
        tokens += len(expected)
        middle_tokens += len(losses[0][middle])
        on_sample(number)
    sums = totals.tolist()
    return {
        "source_perplexity": math.exp(sums[0] / tokens),
        "perplexity": math.exp(sums[1] / tokens),
        "source_middle_perplexity": math.exp(sums[2] / middle_tokens),
        "middle_perplexity": math.exp(sums[3] / middle_tokens),
        "divergence_nats": sums[4] / tokens,
        "same_choice": sums[5] / tokens,
        "tokens": tokens,
        "middle_tokens": middle_tokens,
    }
