"""Where a CPU has VNNI and no AMX, vLLM's kernel multiplies with 8-bit activations."""

from importlib import import_module
from types import ModuleType

import pytest
import torch

pytestmark = [
    pytest.mark.engine,
    # vLLM's kernels draw in modules of PyTorch's that call themselves outdated.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

#: Activations are rounded to 8 bits, a row at a time: by at most 1/254 of the row's
#: largest. Four such steps of the largest product bound the error; a misplaced nibble,
#: scale or group is off by more than ten times that.
TOLERANCE = 4 / 254


@pytest.fixture
def vnni() -> ModuleType:
    """The module under test, which takes seconds to import."""
    module = import_module("lsp_server.engine.vllm_cpu")
    if not module.vnni_gains():
        pytest.skip("the CPU has no AVX-512 VNNI, or it has AMX")
    return module


def quantised_layer(
    codes: torch.Tensor, scales: torch.Tensor, dtype: torch.dtype
) -> torch.nn.Module:
    """Return a layer as vLLM loads it from a GPTQ checkpoint; codes are (K, N)."""
    inputs, outputs = codes.shape
    eights = codes.view(inputs // 8, 8, outputs)
    packed = torch.zeros(inputs // 8, outputs, dtype=torch.int32)
    for place in range(8):
        packed |= eights[:, place] << (4 * place)
    layer = torch.nn.Module()
    layer.qweight = torch.nn.Parameter(packed, requires_grad=False)
    layer.scales = torch.nn.Parameter(scales.to(dtype), requires_grad=False)
    vars(layer.qweight).update(input_dim=0, output_dim=1, packed_dim=0)
    vars(layer.scales).update(input_dim=0, output_dim=1)
    layer.register_parameter("bias", None)
    return layer


def check(vnni: ModuleType, *, rows: int, dtype: torch.dtype) -> bool:
    """Compare a product with that of the dequantised weights.

    Tells whether activations were rounded to 8 bits.
    """
    kernels = import_module("vllm.model_executor.kernels.linear.mixed_precision")
    types = import_module("vllm.scalar_type").scalar_types
    inputs, outputs, groups = 256, 96, 4
    random = torch.Generator().manual_seed(rows)
    codes = torch.randint(0, 16, (inputs, outputs), dtype=torch.int32, generator=random)
    scales = (torch.rand(groups, outputs, generator=random) + 0.5).to(dtype)
    activations = torch.randn(rows, inputs, generator=random).to(dtype)

    config = kernels.MPLinearLayerConfig(
        full_weight_shape=(inputs, outputs),
        partition_weight_shape=(inputs, outputs),
        weight_type=types.uint4b8,
        act_type=dtype,
        group_size=inputs // groups,
        zero_points=False,
    )
    kernel = vnni.vnni_kernel()(config, "qweight", "scales", "qzeros")
    layer = quantised_layer(codes, scales, dtype)
    kernel.process_weights_after_loading(layer)
    product = kernel.apply_weights(layer, activations)

    factors = scales.float().repeat_interleave(inputs // groups, dim=0)  # (K, N)
    reference = activations.float() @ ((codes.float() - 8) * factors)
    error = (product.float() - reference).abs().max() / reference.abs().max()
    assert (rows, outputs) == product.shape
    assert dtype == product.dtype
    assert error <= TOLERANCE
    return bool(layer.use_w4a8)


@pytest.mark.parametrize("rows", [1, 2, 7, 33, 100, 300])
def test_any_number_of_rows(rows: int, vnni: ModuleType) -> None:
    """A token and a prompt give the product of the dequantised weights."""
    assert check(vnni, rows=rows, dtype=torch.bfloat16)


def test_float16_keeps_16_bits(vnni: ModuleType) -> None:
    """The operator for 8 bits knows bfloat16 only."""
    assert not check(vnni, rows=3, dtype=torch.float16)


def test_pytorch_answers_the_truth_again(vnni: ModuleType) -> None:
    """That there is AMX is said while a layer is packed, and no longer."""
    check(vnni, rows=1, dtype=torch.bfloat16)
    assert not torch.cpu._is_amx_tile_supported()


def test_the_user_may_keep_16_bits(
    vnni: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """vLLM's own switch holds here as well."""
    monkeypatch.setenv("VLLM_CPU_INT4_W4A8", "0")
    assert not vnni.vnni_gains()


def test_other_cpus_are_left_alone(
    vnni: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without VNNI it would crash; with AMX vLLM does it by itself."""
    with monkeypatch.context() as patch:
        patch.setattr(torch.cpu, "_is_vnni_supported", lambda: False)
        assert not vnni.vnni_gains()
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: True)
    assert not vnni.vnni_gains()
