"""Holds a generation to a text: the logits processor of vLLM's V2 model runner.

That runner serves GPUs. It schedules a step before it knows the tokens of the last one,
so they are looked at where they are, on the device, and nothing here waits for it.
Sampling is not part of a CUDA graph, and requests that hold nothing cost nothing.

Source: vLLM 0.32, ``v1/worker/gpu/sample/logits_processor/interface.py``.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from vllm.v1.worker.gpu.sample.logits_processor import LogitsProcessor

from lsp_server.engine.hold_masks import HoldMasks, masks_of

if TYPE_CHECKING:
    from vllm.config import VllmConfig
    from vllm.sampling_params import SamplingParams
    from vllm.v1.worker.gpu.sample.logits_processor import (
        LogitsContext,
        LogitsProcRequestState,
    )

__all__ = ["HoldProcessor"]

_NO_TOKEN = -1


@dataclass(slots=True, kw_only=True)
class _Held:
    """One request that is held; its step is known to the device alone.

    Attributes:
        prompt_tokens: Tokens of its prompt.
        allowed: A row for each step, and a last one for "anything".
        tokens: Of each step the tokens that lead on, and of "anything" none.
        nexts: The steps that they lead to.
        step: The step that it is at, on the device.
        generated: Tokens that were sampled when it was last looked at.
    """

    prompt_tokens: int
    allowed: torch.Tensor
    tokens: torch.Tensor
    nexts: torch.Tensor
    step: torch.Tensor
    generated: int = -1


class HoldProcessor(LogitsProcessor):  # type: ignore[misc]  # Any to mypy
    """Masks the tokens that do not spell what a request must begin with."""

    def __init__(
        self, vllm_config: "VllmConfig", req_states: "LogitsProcRequestState"
    ) -> None:
        """Begin with no request."""
        super().__init__(vllm_config, req_states)
        self._device = req_states.device
        self._held: dict[int, _Held] = {}

    def add_request(self, req_idx: int, sampling_params: "SamplingParams") -> bool:
        """Take over a request's hold; tell whether it has one."""
        self._held.pop(req_idx, None)
        masks = masks_of(sampling_params.extra_args, self._device)
        if masks is not None:
            self._held[req_idx] = _held(masks, self._device)
        return masks is not None

    def apply(self, logits: torch.Tensor, ctx: "LogitsContext") -> torch.Tensor:
        """Mask the rows of held requests, in place."""
        for row, slot in enumerate(ctx.idx_mapping_np.tolist()):
            held = self._held.get(slot)
            if held is None:
                continue
            generated = int(ctx.seq_lens_upper_bound_np[row]) - held.prompt_tokens
            if generated < 0:
                continue  # a part of the prompt, behind which nothing is sampled
            # Behind the last step at the latest all is spelt. After a pause in which
            # steps were missed, what was spelt is not known any more.
            if generated >= len(held.allowed) - 1 or generated != held.generated + 1:
                del self._held[slot]
                continue
            held.generated = generated
            if generated:
                held.step = _next_step(held, ctx.input_ids[row])
            allowed = held.allowed.index_select(0, held.step).squeeze(0)
            known = allowed.shape[0]
            logits[row, :known].masked_fill_(~allowed, float("-inf"))
            is_held = held.step != len(held.allowed) - 1
            logits[row, known:].masked_fill_(is_held, float("-inf"))
        return logits


def _held(masks: HoldMasks, device: torch.device) -> _Held:
    """Put a request's steps on the device, and the step behind them all."""
    count = len(masks.going_on)
    widest = max(1, *map(len, masks.going_on))
    tokens = torch.full((count + 1, widest), _NO_TOKEN)
    nexts = torch.full((count + 1, widest), count)
    for step, pairs in enumerate(masks.going_on):
        for at, (token_id, next_step) in enumerate(pairs.items()):
            tokens[step, at], nexts[step, at] = token_id, next_step
    anything = masks.allowed.new_ones((1, masks.allowed.shape[1]))
    return _Held(
        prompt_tokens=masks.prompt_tokens,
        allowed=torch.cat([masks.allowed, anything]),
        tokens=tokens.to(device),
        nexts=nexts.to(device),
        step=torch.zeros(1, dtype=torch.long, device=device),
    )


def _next_step(held: _Held, token_id: torch.Tensor) -> torch.Tensor:
    """Return the step behind a token; it stays on the device."""
    leads = held.tokens.index_select(0, held.step) == token_id
    nexts = held.nexts.index_select(0, held.step)
    last = held.allowed.shape[0] - 1
    return torch.where(leads, nexts, last).amin(dim=1)
