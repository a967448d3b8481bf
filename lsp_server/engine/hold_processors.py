"""Logits processors that make a generation begin with a given text (a `Hold`).

vLLM has two model runners with different interfaces. V1 serves CPUs, and GPUs without
Triton; V2 serves other GPUs. Each needs a processor of its own, which vLLM imports by
name in the engine's process. A request carries its hold in its extra arguments;
requests without one cost nothing here.

Source: vLLM 0.32, ``v1/sample/logits_processor/interface.py`` and
``v1/worker/gpu/sample/logits_processor/interface.py``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, cast

import torch
from vllm.v1.sample.logits_processor import LogitsProcessor as LogitsProcessorV1
from vllm.v1.sample.logits_processor.builtin import process_dict_updates
from vllm.v1.worker.gpu.sample.logits_processor import (
    LogitsProcessor as LogitsProcessorV2,
)

from lsp_server.values import Hold

if TYPE_CHECKING:
    from vllm.config import VllmConfig
    from vllm.sampling_params import SamplingParams
    from vllm.v1.sample.logits_processor import BatchUpdate
    from vllm.v1.worker.gpu.sample.logits_processor import (
        LogitsContext,
        LogitsProcRequestState,
    )

__all__ = [
    "HoldMasks",
    "HoldProcessorV1",
    "HoldProcessorV2",
    "extra_arguments",
    "masks_of",
]

_KEY = "midfill_hold"
"""The name among a request's extra arguments, which vLLM passes on unchanged."""

_SentStep: TypeAlias = tuple[bytes, list[tuple[int, int]]]
"""A step as `extra_arguments` writes it; between processes tuples become lists."""

_NO_TOKEN = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldMasks:
    """A hold as masks over the vocabulary.

    Attributes:
        prompt_tokens: Number of tokens in the request's prompt.
        allowed: The tokens that each step allows, bool, (steps, vocabulary).
        transitions: For each step, the step that follows each token that spells only
            a part of the text. Any other allowed token completes it.
    """

    prompt_tokens: int
    allowed: torch.Tensor
    transitions: tuple[Mapping[int, int], ...]


def extra_arguments(hold: Hold | None, prompt_tokens: int) -> dict[str, object] | None:
    """Return the extra arguments of a request with a hold; None without one."""
    if hold is None:
        return None
    steps = [[step.finishing, list(step.going_on)] for step in hold.steps]
    return {_KEY: [prompt_tokens, steps]}


def masks_of(
    extra_arguments: Mapping[str, object] | None, device: torch.device
) -> HoldMasks | None:
    """Return the hold in a request's extra arguments; None where there is none."""
    sent = (extra_arguments or {}).get(_KEY)
    if sent is None:
        return None
    prompt_tokens, steps = cast("tuple[int, list[_SentStep]]", sent)
    rows = [_unpack_bits(finishing) for finishing, _ in steps]
    transitions = tuple(dict(pairs) for _, pairs in steps)
    for row, pairs in zip(rows, transitions, strict=True):
        row[list(pairs)] = True
    return HoldMasks(
        prompt_tokens=prompt_tokens,
        allowed=torch.stack(rows).to(device),
        transitions=transitions,
    )


def _unpack_bits(mask: bytes) -> torch.Tensor:
    """Return a boolean for each bit, the lowest bit of the first byte first."""
    packed = torch.frombuffer(bytearray(mask), dtype=torch.uint8)
    bits = torch.arange(8, dtype=torch.uint8)
    return ((packed.unsqueeze(1) >> bits) & 1).flatten().bool()


class _HeldV1:
    """A request whose held text is not spelt completely.

    Args:
        masks: Its hold.
        output_ids: vLLM's list of the request's output, which grows.
    """

    def __init__(self, masks: HoldMasks, output_ids: list[int]) -> None:
        self._masks = masks
        self._output_ids = output_ids
        self._seen = 0
        self._step: int | None = 0

    def mask(self) -> torch.Tensor | None:
        """Return which tokens are allowed now; None once all are."""
        while self._step is not None and self._seen < len(self._output_ids):
            token_id = self._output_ids[self._seen]
            self._step = self._masks.transitions[self._step].get(token_id)
            self._seen += 1
        return None if self._step is None else self._masks.allowed[self._step]


class HoldProcessorV1(LogitsProcessorV1):  # type: ignore[misc]  # Any to mypy
    """Masks the tokens that do not spell what a request must begin with."""

    def __init__(
        self,
        vllm_config: "VllmConfig",  # noqa: ARG002 - vLLM's signature
        device: torch.device,
        is_pin_memory: bool,  # noqa: ARG002, FBT001 - vLLM's signature
    ) -> None:
        self._device = device
        self._held: dict[int, _HeldV1] = {}

    def is_argmax_invariant(self) -> bool:
        """Return False: a held request's likeliest token may be masked."""
        return False

    def update_state(self, batch_update: "BatchUpdate | None") -> None:
        """Follow the changes of vLLM's batch."""

        def new_state(
            params: "SamplingParams", _prompt_ids: list[int] | None, output: list[int]
        ) -> _HeldV1 | None:
            masks = masks_of(params.extra_args, self._device)
            return None if masks is None else _HeldV1(masks, output)

        process_dict_updates(self._held, batch_update, new_state)

    def apply(self, logits: torch.Tensor) -> torch.Tensor:
        """Mask the rows of held requests, in place."""
        for row, held in self._held.items():
            allowed = held.mask()
            if allowed is not None:
                known = allowed.shape[0]
                logits[row, :known].masked_fill_(~allowed, float("-inf"))
                logits[row, known:] = float("-inf")
        return logits


@dataclass(slots=True, kw_only=True)
class _HeldV2:
    """A request whose held text is not spelt completely; its step is on the device.

    Attributes:
        prompt_tokens: Number of tokens in its prompt.
        allowed: The tokens that each step allows, and a last row that allows all,
            bool, (steps + 1, vocabulary).
        tokens: The tokens that lead to another step, (steps + 1, most of any step).
        nexts: The steps that they lead to, of the same shape.
        step: The current step, (1,).
        generated: How many tokens had been sampled at the last call; -1 before it.
    """

    prompt_tokens: int
    allowed: torch.Tensor
    tokens: torch.Tensor
    nexts: torch.Tensor
    step: torch.Tensor
    generated: int = -1

    def advance(self, token_id: torch.Tensor) -> None:
        """Go to the step that follows a token, without waiting for the device."""
        matches = self.tokens.index_select(0, self.step) == token_id
        nexts = self.nexts.index_select(0, self.step)
        last = self.allowed.shape[0] - 1
        self.step = torch.where(matches, nexts, last).amin(dim=1)


class HoldProcessorV2(LogitsProcessorV2):  # type: ignore[misc]  # Any to mypy
    """Masks the tokens that do not spell what a request must begin with.

    The V2 runner schedules a step before it knows the tokens of the last one, so they
    are read on the device, and nothing here waits for it. Sampling is not part of a
    CUDA graph.
    """

    def __init__(
        self, vllm_config: "VllmConfig", req_states: "LogitsProcRequestState"
    ) -> None:
        super().__init__(vllm_config, req_states)
        self._device = req_states.device
        self._held: dict[int, _HeldV2] = {}

    def add_request(self, req_idx: int, sampling_params: "SamplingParams") -> bool:
        """Note the hold of a new request; return whether it has one."""
        self._held.pop(req_idx, None)
        masks = masks_of(sampling_params.extra_args, self._device)
        if masks is not None:
            self._held[req_idx] = _on_device(masks, self._device)
        return masks is not None

    def apply(self, logits: torch.Tensor, ctx: "LogitsContext") -> torch.Tensor:
        """Mask the rows of held requests, in place."""
        for row, slot in enumerate(ctx.idx_mapping_np.tolist()):
            held = self._held.get(slot)
            if held is None:
                continue
            generated = int(ctx.seq_lens_upper_bound_np[row]) - held.prompt_tokens
            if generated < 0:
                continue  # A part of the prompt, after which nothing is sampled.
            # After the last step at the latest, the text is spelt. If calls were
            # missed, what was spelt meanwhile is not known any more.
            if generated >= len(held.allowed) - 1 or generated != held.generated + 1:
                del self._held[slot]
                continue
            held.generated = generated
            if generated:
                held.advance(ctx.input_ids[row])
            allowed = held.allowed.index_select(0, held.step).squeeze(0)
            known = allowed.shape[0]
            logits[row, :known].masked_fill_(~allowed, float("-inf"))
            is_held = held.step != len(held.allowed) - 1
            logits[row, known:].masked_fill_(is_held, float("-inf"))
        return logits


def _on_device(masks: HoldMasks, device: torch.device) -> _HeldV2:
    """Put a request's steps on the device, and a last step that allows all tokens."""
    count = len(masks.transitions)
    widest = max(1, *map(len, masks.transitions))
    tokens = torch.full((count + 1, widest), _NO_TOKEN)
    nexts = torch.full((count + 1, widest), count)
    for step, pairs in enumerate(masks.transitions):
        for at, (token_id, next_step) in enumerate(pairs.items()):
            tokens[step, at], nexts[step, at] = token_id, next_step
    all_tokens = masks.allowed.new_ones((1, masks.allowed.shape[1]))
    return _HeldV2(
        prompt_tokens=masks.prompt_tokens,
        allowed=torch.cat([masks.allowed, all_tokens]),
        tokens=tokens.to(device),
        nexts=nexts.to(device),
        step=torch.zeros(1, dtype=torch.long, device=device),
    )
