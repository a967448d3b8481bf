"""Both of vLLM's model runners hold a generation to the same tokens."""

from collections.abc import Callable, Sequence
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from vllm.sampling_params import SamplingParams
from vllm.v1.sample.logits_processor import BatchUpdate

from lsp_server.engine.hold_processors import (
    HoldProcessorV1,
    HoldProcessorV2,
    extra_arguments,
    masks_of,
)
from lsp_server.values import Hold, HoldStep

VOCABULARY = 20
PROMPT = [7, 7, 7]
CPU = torch.device("cpu")

#: Token 3 leads to the second step and token 4 to the third; 5 and 6 spell it at once.
HOLD = Hold(
    text="tot",
    typed_ids=(3, 4, 8),
    steps=(
        HoldStep(finishing=bytes([0b01100000, 0]), going_on=((3, 1), (4, 2))),
        HoldStep(finishing=bytes([0, 0b00000001]), going_on=((4, 2),)),
        HoldStep(finishing=bytes([0, 0b00000110])),
    ),
)

Allowed = Callable[[Sequence[int]], list[set[int]]]


def finite(logits: torch.Tensor) -> set[int]:
    """The tokens of a row that may still come."""
    return set(torch.nonzero(torch.isfinite(logits)).flatten().tolist())


def params(hold: Hold | None) -> SamplingParams:
    """Make the parameters of a request that holds something, or nothing."""
    return SamplingParams(extra_args=extra_arguments(hold, len(PROMPT)))


def allowed_v1(sampled: Sequence[int]) -> list[set[int]]:
    """What may come before each token, and after the last one."""
    processor = HoldProcessorV1(None, CPU, is_pin_memory=False)
    output: list[int] = []
    added = [(0, params(None), PROMPT, []), (1, params(HOLD), PROMPT, output)]
    processor.update_state(BatchUpdate(batch_size=2, removed=[], added=added, moved=[]))
    seen = []
    for token_id in [*sampled, -1]:
        logits = processor.apply(torch.zeros(2, VOCABULARY))
        assert finite(logits[0]) == set(range(VOCABULARY))
        seen.append(finite(logits[1]))
        output.append(token_id)
        processor.update_state(None)
    return seen


def allowed_v2(sampled: Sequence[int]) -> list[set[int]]:
    """What may come before each token, and after the last one."""
    processor = HoldProcessorV2(None, SimpleNamespace(device=CPU))
    assert not processor.add_request(4, params(None))
    assert processor.add_request(2, params(HOLD))
    seen = []
    fed = [PROMPT[-1], *sampled]
    for generated, token_id in enumerate(fed):
        context = SimpleNamespace(
            idx_mapping_np=np.array([4, 2]),
            seq_lens_upper_bound_np=np.array([9, len(PROMPT) + generated]),
            input_ids=torch.tensor([0, token_id]),
        )
        logits = processor.apply(torch.zeros(2, VOCABULARY), context)
        assert finite(logits[0]) == set(range(VOCABULARY))
        seen.append(finite(logits[1]))
    return seen


@pytest.mark.parametrize("allowed", [allowed_v1, allowed_v2], ids=["v1", "v2"])
@pytest.mark.parametrize(
    ("sampled", "expected"),
    [
        ([5], [{3, 4, 5, 6}, set(range(VOCABULARY))]),
        ([3, 8], [{3, 4, 5, 6}, {4, 8}, set(range(VOCABULARY))]),
        ([4, 9, 1], [{3, 4, 5, 6}, {9, 10}] + [set(range(VOCABULARY))] * 2),
        ([3, 4, 10], [{3, 4, 5, 6}, {4, 8}, {9, 10}, set(range(VOCABULARY))]),
    ],
)
def test_only_what_spells_the_text_may_come(
    allowed: Allowed, sampled: Sequence[int], expected: list[set[int]]
) -> None:
    """Step by step, until it is spelt; from then on everything, and others always."""
    assert expected == allowed(sampled)


def test_a_slot_that_is_used_again_holds_nothing() -> None:
    """What a request held does not reach the next one in its place."""
    processor = HoldProcessorV2(None, SimpleNamespace(device=CPU))
    processor.add_request(2, params(HOLD))
    processor.add_request(2, params(None))
    context = SimpleNamespace(
        idx_mapping_np=np.array([2]),
        seq_lens_upper_bound_np=np.array([len(PROMPT)]),
        input_ids=torch.tensor([PROMPT[-1]]),
    )
    logits = processor.apply(torch.zeros(1, VOCABULARY), context)
    assert finite(logits[0]) == set(range(VOCABULARY))


def test_a_part_of_a_prompt_is_left_alone() -> None:
    """While a long prompt is read in parts, nothing is masked and no step is lost."""
    processor = HoldProcessorV2(None, SimpleNamespace(device=CPU))
    processor.add_request(2, params(HOLD))

    def step(tokens: int) -> set[int]:
        context = SimpleNamespace(
            idx_mapping_np=np.array([2]),
            seq_lens_upper_bound_np=np.array([tokens]),
            input_ids=torch.tensor([PROMPT[-1]]),
        )
        return finite(processor.apply(torch.zeros(1, VOCABULARY), context)[0])

    assert step(len(PROMPT) - 1) == set(range(VOCABULARY))
    assert step(len(PROMPT)) == {3, 4, 5, 6}


def test_nothing_held_is_nothing_sent() -> None:
    """Requests without a hold carry no extra arguments."""
    assert extra_arguments(None, 3) is None
    assert masks_of(None, CPU) is None
    assert masks_of({"other": 1}, CPU) is None
