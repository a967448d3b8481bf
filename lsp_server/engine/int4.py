"""Four-bit matrix multiplication on CPUs without AVX-512, by PyTorch's own operators.

This module knows tensors only: no vLLM, no checkpoint format, no layer.
"""

from dataclasses import dataclass

import torch

__all__ = ["GROUP_SIZES", "OUT_FEATURES_MULTIPLE", "PackedWeight", "pack"]

#: Group sizes that both GPTQ checkpoints and PyTorch's operator know.
GROUP_SIZES = (128, 64, 32)

#: PyTorch packs output features in blocks of this many.
OUT_FEATURES_MULTIPLE = 16

#: The code that stands for zero in symmetric 4-bit quantisation.
_ZERO_CODE = 8

#: From this many rows on the float32 GEMM is faster. Measured on one Zen 3 core with
#: 768 x 4096 and 2048 x 768 weights: 16 rows take 2.6 against 3.5 ms and 1.2 against
#: 1.1 ms, 32 rows 5.0 against 4.6 ms and 2.5 against 1.7 ms, 256 rows 39 against 23 ms
#: and 28 against 12 ms (packed against float32).
_DENSE_ROWS = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedWeight:
    """One linear layer's weights, ready to multiply.

    Few rows are bound by memory, so they read the packed weights, half a byte each.
    Many rows are bound by arithmetic, where PyTorch's packed operator is about half as
    fast as a float32 GEMM, so they use a float32 copy where there is room for one.

    Attributes:
        packed: Two weights per byte, in PyTorch's own layout.
        scales_and_zeros: Factor and offset of every group, (K / group, N, 2).
        group_size: Input features that share a factor.
        dense: The same weights in float32, (N, K); None where there is no room.
    """

    packed: torch.Tensor
    scales_and_zeros: torch.Tensor
    group_size: int
    dense: torch.Tensor | None

    def multiply(self, rows: torch.Tensor) -> torch.Tensor:
        """Multiply rows of shape (M, K) with the weights, to (M, N).

        The result has the type of ``rows``, which must be that of the scales.
        """
        if self.dense is not None and rows.shape[0] >= _DENSE_ROWS:
            dense_product = torch.nn.functional.linear(rows.float(), self.dense)
            return dense_product.to(rows.dtype)
        product: torch.Tensor = torch.ops.aten._weight_int4pack_mm_for_cpu(  # noqa: SLF001 - it has no public name
            rows.contiguous(), self.packed, self.group_size, self.scales_and_zeros
        )
        return product


def pack(codes: torch.Tensor, scales: torch.Tensor, *, room_bytes: int) -> PackedWeight:
    """Pack a layer's weights.

    Args:
        codes: The 4-bit codes 0 to 15, int32, (N, K): row by output feature.
        scales: One factor per group and output feature, (groups, N), in the type of
            the activations. The weight is ``(code - 8) * scale``.
        room_bytes: A float32 copy is kept if it takes no more than this.

    Raises:
        ValueError: The groups do not divide the input features into sizes that the
            operator knows.
    """
    out_features, in_features = codes.shape
    rows_per_scale, rest = divmod(in_features, scales.shape[0])
    group_size = next((s for s in GROUP_SIZES if rows_per_scale % s == 0), 0)
    if rest or not group_size:
        message = f"{in_features} input features in {scales.shape[0]} groups"
        raise ValueError(message)
    # A group larger than the operator's largest is split; its parts share the factor.
    scales = scales.repeat_interleave(rows_per_scale // group_size, dim=0)
    dense = None
    if out_features * in_features * 4 <= room_bytes:
        factors = scales.float().t().repeat_interleave(group_size, dim=1)  # (N, K)
        dense = (codes.float() - _ZERO_CODE) * factors
    return PackedWeight(
        packed=torch.ops.aten._convert_weight_to_int4pack_for_cpu(  # noqa: SLF001 - as above
            codes.to(torch.int32).contiguous(),
            1,
        ),
        scales_and_zeros=torch.stack(
            [scales, torch.zeros_like(scales)], dim=-1
        ).contiguous(),
        group_size=group_size,
        dense=dense,
    )
