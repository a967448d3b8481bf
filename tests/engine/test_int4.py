"""Packed 4-bit weights multiply as their dequantised float32 reference does."""

import pytest
import torch

from lsp_server.engine.int4 import pack

#: Rounding changes a bfloat16 (8 significant bits) by up to 2**-8 of its size, and a
#: float16 (11 bits) by 2**-11. The operator may round a dequantised weight, partial
#: sums and the result: four roundings of the largest entry bound the error. A misplaced
#: nibble, scale or group is off by more than ten times that.
TOLERANCES = {torch.bfloat16: 4 * 2.0**-8, torch.float16: 4 * 2.0**-11}


def check(
    *,
    rows: int,
    inputs: int,
    outputs: int,
    groups: int,
    room_bytes: int,
    dtype: torch.dtype = torch.bfloat16,
) -> None:
    """Compare a product with that of the dequantised weights."""
    random = torch.Generator().manual_seed(rows + inputs + outputs + groups)
    codes = torch.randint(0, 16, (outputs, inputs), dtype=torch.int32, generator=random)
    scales = torch.rand(groups, outputs, generator=random).to(dtype) + 0.5
    activations = torch.randn(rows, inputs, generator=random).to(dtype)

    weight = pack(codes, scales, room_bytes=room_bytes)
    product = weight.multiply(activations)

    factors = scales.float().repeat_interleave(inputs // groups, dim=0)  # (K, N)
    reference = activations.float() @ ((codes.t().float() - 8) * factors)
    error = (product.float() - reference).abs().max() / reference.abs().max()
    assert dtype == product.dtype
    assert error <= TOLERANCES[dtype]


@pytest.mark.parametrize("rows", [1, 2, 7, 23, 24, 25, 100])
@pytest.mark.parametrize("room_bytes", [0, 1 << 30])
def test_any_number_of_rows(rows: int, room_bytes: int) -> None:
    """Few rows and many, with a float32 copy and without, give the same product."""
    check(rows=rows, inputs=256, outputs=48, groups=4, room_bytes=room_bytes)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize(
    ("inputs", "groups"),
    [(256, 8), (256, 4), (256, 2), (256, 1), (96, 1), (96, 3), (320, 1), (128, 1)],
)
def test_any_group_size(inputs: int, groups: int, dtype: torch.dtype) -> None:
    """Groups of 32, 64 and 128, and one group for a whole column."""
    for room_bytes in (0, 1 << 30):
        check(
            rows=30,
            inputs=inputs,
            outputs=32,
            groups=groups,
            room_bytes=room_bytes,
            dtype=dtype,
        )


@pytest.mark.parametrize(("inputs", "groups"), [(48, 1), (256, 16), (100, 3)])
def test_impossible_groups(inputs: int, groups: int) -> None:
    """Groups that the operator cannot take are refused with their numbers."""
    codes = torch.zeros((16, inputs), dtype=torch.int32)
    scales = torch.ones(groups, 16, dtype=torch.bfloat16)
    with pytest.raises(ValueError, match=f"{inputs} input features in {groups}"):
        pack(codes, scales, room_bytes=0)


def test_the_copy_is_kept_only_where_there_is_room() -> None:
    """A float32 copy takes four bytes a weight, and not one byte more than allowed."""
    codes = torch.zeros((16, 64), dtype=torch.int32)
    scales = torch.ones(1, 16, dtype=torch.bfloat16)
    assert pack(codes, scales, room_bytes=16 * 64 * 4).dense is not None
    assert pack(codes, scales, room_bytes=16 * 64 * 4 - 1).dense is None
