"""The parts of the workers that need neither auto-gptq nor transformers."""

import logging
import math
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from training.quantize.autogptq_worker import LayerHandler
from training.quantize.gptqmodel_worker import LayerCallback
from training.quantize.perplexity_worker import compare, unpack
from training.quantize.worker_report import MissingDeviceError
from training.quantize.worker_tensors import (
    choose_device,
    normalise_tensors,
    read_examples,
    weights_dtype,
)

if TYPE_CHECKING:
    from training.quantize.backend import Quantizer
    from training.quantize.worker_report import Reporter as WorkerReporter

CPU = torch.device("cpu")


def test_unpacks_what_was_packed(
    tiny_source: Path, tmp_path: Path, quantizer: "Quantizer"
) -> None:
    """Each weight comes back within half a step of its scale; the rest unchanged."""
    path = tmp_path / "packed.safetensors"
    quantizer.quantise(tiny_source, path, group_size=32, samples=(), work=tmp_path)
    source = load_file(tiny_source / "model.safetensors")
    packed = load_file(path)
    state = unpack(packed, bits=4, group_size=32)
    assert source.keys() == state.keys()
    for name, tensor in source.items():
        layer = name.removesuffix(".weight")
        if f"{layer}.scales" not in packed:
            assert torch.equal(tensor.float(), state[name])
            continue
        step = packed[f"{layer}.scales"].float().T.repeat_interleave(32, dim=1)
        assert ((tensor.float() - state[name]).abs() <= 0.501 * step).all()


def test_unpacks_known_bits() -> None:
    """Eight codes in an int32, the lowest first; the zero point stored less one."""
    packed = {
        "l.qweight": torch.tensor([[0x76543210]], dtype=torch.int32).repeat(1, 8),
        "l.qzeros": torch.tensor([[0x77777777]], dtype=torch.int32),
        "l.scales": torch.full((1, 8), 0.5, dtype=torch.float16),
        "l.g_idx": torch.zeros(8, dtype=torch.int32),
    }
    weight = unpack(packed, bits=4, group_size=8)["l.weight"]
    expected = torch.tensor([[-4.0, -3.5, -3.0, -2.5, -2.0, -1.5, -1.0, -0.5]])
    assert torch.equal(expected.repeat(8, 1), weight)


def test_unpacks_the_sign_bit() -> None:
    """The highest code of an int32 is not read as a sign."""
    packed = {
        "l.qweight": torch.full((1, 8), -1, dtype=torch.int32),
        "l.qzeros": torch.tensor([[0x77777777]], dtype=torch.int32),
        "l.scales": torch.ones((1, 8), dtype=torch.float16),
        "l.g_idx": torch.zeros(8, dtype=torch.int32),
    }
    weight = unpack(packed, bits=4, group_size=8)["l.weight"]
    assert torch.equal(torch.full((8, 8), 7.0), weight)


def test_unpacking_refuses_other_groups() -> None:
    """Groups that are not consecutive columns contradict desc_act: false."""
    packed = {
        "l.qweight": torch.zeros((2, 8), dtype=torch.int32),
        "l.qzeros": torch.zeros((2, 1), dtype=torch.int32),
        "l.scales": torch.ones((2, 8), dtype=torch.float16),
        "l.g_idx": torch.tensor([0, 1] * 8, dtype=torch.int32),
    }
    with pytest.raises(ValueError, match="not consecutive"):
        unpack(packed, bits=4, group_size=8)


def test_tidies_auto_gptqs_tensors() -> None:
    """Zero biases and the tied head go, types become vLLM's, real biases stay."""
    tensors = {
        "l.qweight": torch.zeros((8, 8), dtype=torch.int32),
        "l.scales": torch.ones((1, 8)),
        "l.g_idx": torch.arange(64, dtype=torch.int32) // 32,
        "l.bias": torch.zeros(8),
        "q.bias": torch.zeros(8),
        "norm.weight": torch.ones(4),
        "lm_head.weight": torch.ones(4, 4),
    }
    kept = normalise_tensors(
        tensors,
        source_names=frozenset({"q.bias", "norm.weight", "lm_head.weight"}),
        dropped=frozenset({"lm_head.weight"}),
        group_size=32,
        dtype=torch.bfloat16,
    )
    expected = {
        "l.qweight": torch.int32,
        "l.scales": torch.float16,
        "l.g_idx": torch.int32,
        "q.bias": torch.bfloat16,
        "norm.weight": torch.bfloat16,
    }
    assert expected == {name: tensor.dtype for name, tensor in kept.items()}


def test_cleanup_refuses_other_groups() -> None:
    """A group index that is not sequential is an error, not a wrong model."""
    shuffled = torch.tensor([0, 1, 0, 1], dtype=torch.int32)
    with pytest.raises(ValueError, match=r"l\.g_idx: the groups"):
        normalise_tensors(
            {"l.g_idx": shuffled},
            source_names=frozenset(),
            dropped=frozenset(),
            group_size=2,
            dtype=torch.float16,
        )


class Constant:
    """A model that predicts the same everywhere."""

    def __init__(self, probabilities: list[float]) -> None:
        self._logits = torch.tensor(np.log(probabilities))

    def __call__(self, ids: torch.Tensor) -> SimpleNamespace:
        return SimpleNamespace(logits=self._logits.repeat(1, ids.shape[1], 1))


def test_compares_as_the_textbook_does() -> None:
    """Perplexity, divergence and agreement of known distributions are exact."""
    source = Constant([0.5, 0.25, 0.25])
    other = Constant([0.25, 0.5, 0.25])
    samples = [
        {"token_ids": [0, 0, 0, 0, 1], "middle_start": 4},
        {"token_ids": [2, 0, 2], "middle_start": 1},
    ]
    reported: list[int] = []
    result = compare(source, other, samples, CPU, reported.append)
    halves, quarters = 4, 2
    assert {
        "source_perplexity": 2 ** ((halves + 2 * quarters) / 6),
        "perplexity": 2 ** ((2 * halves + 1 + 2) / 6),
        "source_middle_perplexity": 2 ** ((2 + 1 + 2) / 3),
        "middle_perplexity": 2 ** ((1 + 2 + 2) / 3),
        "divergence_nats": 0.25 * math.log(2),
        "same_choice": 0.0,
        "tokens": 6,
        "middle_tokens": 3,
    } == pytest.approx(result)
    assert [0, 1, 2] == reported


def test_a_model_equals_itself() -> None:
    """No divergence, every choice the same."""
    model = Constant([0.5, 0.25, 0.25])
    samples = [{"token_ids": [0, 1, 2], "middle_start": 1}]
    result = compare(model, model, samples, CPU, lambda _: None)
    assert 0 == result["divergence_nats"]
    assert 1 == result["same_choice"]


class Reporter:
    """Keeps the steps that are reported."""

    def __init__(self) -> None:
        self.steps: list[tuple[int, int]] = []

    def step(self, _work: str, done: int, total: int) -> None:
        self.steps.append((done, total))


def test_auto_gptqs_log_becomes_steps() -> None:
    """A layer that begins says that those before it are done; the rest is chatter."""
    reporter = Reporter()
    handler = LayerHandler(cast("WorkerReporter", reporter))
    for text in (
        "Start quantizing layer 1/12",
        "Quantizing mlp.up_proj in layer 1/12...",
        "Start quantizing layer 12/12",
    ):
        handler.handle(logging.makeLogRecord({"msg": text}))
    assert [(0, 12), (11, 12)] == reporter.steps
    assert 12 == handler.total


def test_gptqmodels_calls_become_steps() -> None:
    """Of the two calls for a layer the one counts that comes when it is packed."""
    reporter = Reporter()
    callback = LayerCallback(cast("WorkerReporter", reporter), 2)
    for layer in (0, 1):
        callback.layer_complete(layer_idx=layer, submodule_finalized=False)
        callback.layer_complete(layer_idx=layer, submodule_finalized=True)
    assert [(0, 2), (1, 2), (2, 2)] == reporter.steps


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is there")
def test_a_gpu_that_is_not_there_is_an_error() -> None:
    """Only if it was asked for by name; else the CPU computes."""
    assert "cpu" == choose_device("auto").type
    assert "cpu" == choose_device("cpu").type
    with pytest.raises(MissingDeviceError, match="sees no CUDA device"):
        choose_device("cuda")


def test_reads_the_job(tiny_source: Path, tmp_path: Path) -> None:
    """Samples become batches of one, and the type is the config's."""
    path = tmp_path / "calibration.json"
    path.write_text("[[1, 2, 3], [4]]")
    first, second = read_examples(path)
    assert (1, 3) == first["input_ids"].shape == first["attention_mask"].shape
    assert [[4]] == second["input_ids"].tolist()
    assert torch.float16 is weights_dtype(tiny_source)
