"""Holds a generation to a text: the logits processor of vLLM's V1 model runner.

That runner serves CPUs, and GPUs without Triton. A request brings its steps along
(`hold_masks`); requests that bring none cost nothing here.

Source: vLLM 0.32, ``v1/sample/logits_processor/interface.py``.
"""

from typing import TYPE_CHECKING

from vllm.v1.sample.logits_processor import LogitsProcessor
from vllm.v1.sample.logits_processor.builtin import process_dict_updates

from lsp_server.engine.hold_masks import HoldMasks, masks_of

if TYPE_CHECKING:
    import torch
    from vllm.config import VllmConfig
    from vllm.sampling_params import SamplingParams
    from vllm.v1.sample.logits_processor import BatchUpdate

__all__ = ["HoldProcessor"]


class _Held:
    """One request that is held, until its text is spelt.

    Args:
        masks: What may come, step by step.
        output_ids: vLLM's list of the request's output; it grows.
    """

    def __init__(self, masks: HoldMasks, output_ids: list[int]) -> None:
        self._masks = masks
        self._output_ids = output_ids
        self._seen = 0
        self._step: int | None = 0

    def mask(self) -> "torch.Tensor | None":
        """Return which tokens may come now; None once all may."""
        while self._step is not None and self._seen < len(self._output_ids):
            token_id = self._output_ids[self._seen]
            self._step = self._masks.going_on[self._step].get(token_id)
            self._seen += 1
        return None if self._step is None else self._masks.allowed[self._step]


class HoldProcessor(LogitsProcessor):  # type: ignore[misc]  # Any to mypy
    """Masks the tokens that do not spell what a request must begin with."""

    def __init__(
        self,
        vllm_config: "VllmConfig",  # noqa: ARG002 - vLLM's signature
        device: "torch.device",
        is_pin_memory: bool,  # noqa: ARG002, FBT001 - vLLM's signature
    ) -> None:
        """Begin with no request."""
        self._device = device
        self._held: dict[int, _Held] = {}

    def is_argmax_invariant(self) -> bool:
        """No: a held request's likeliest token may be masked."""
        return False

    def update_state(self, batch_update: "BatchUpdate | None") -> None:
        """Follow vLLM's batch."""

        def new_state(
            params: "SamplingParams", _prompt_ids: list[int] | None, output: list[int]
        ) -> _Held | None:
            masks = masks_of(params.extra_args, self._device)
            return None if masks is None else _Held(masks, output)

        process_dict_updates(self._held, batch_update, new_state)

    def apply(self, logits: "torch.Tensor") -> "torch.Tensor":
        """Mask the rows of held requests, in place."""
        for row, held in self._held.items():
            allowed = held.mask()
            if allowed is not None:
                known = allowed.shape[0]
                logits[row, :known].masked_fill_(~allowed, float("-inf"))
                logits[row, known:] = float("-inf")
        return logits
