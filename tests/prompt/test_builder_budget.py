"""Tokens are divided before anything is rendered."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lsp_server.config import PromptConfig
from lsp_server.errors import ConfigError
from lsp_server.prompt.builder import plan_budget


@settings(deadline=None)
@given(
    max_prompt=st.integers(64, 8192),
    share=st.floats(0, 0.9),
    model_len=st.integers(128, 8192),
    output=st.integers(1, 64),
    reduced=st.tuples(st.booleans(), st.booleans()),
)
def test_the_parts_fit_the_whole(
    max_prompt: int,
    share: float,
    model_len: int,
    output: int,
    reduced: tuple[bool, bool],
) -> None:
    """Frame, code and output never exceed what the model or the user allows."""
    budget = plan_budget(
        PromptConfig(max_prompt_tokens=max_prompt, suffix_share=share),
        max_model_len=model_len,
        max_output_tokens=output,
        frame_tokens=4,
        is_reduced=reduced[0],
        is_suffix_first=reduced[1],
    )
    assert budget.code_tokens + 4 <= max_prompt
    assert budget.code_tokens + 4 + output <= model_len
    assert budget.suffix_tokens + budget.snippet_tokens <= budget.code_tokens * 1.15
    assert 0 <= budget.suffix_tokens <= budget.code_tokens


def test_no_room_for_code_is_reported() -> None:
    """Limits that leave nothing for code are an error that names the settings."""
    with pytest.raises(ConfigError, match="max_model_len"):
        plan_budget(
            PromptConfig(),
            max_model_len=100,
            max_output_tokens=96,
            frame_tokens=4,
        )


@pytest.mark.parametrize(
    ("is_suffix_first", "suffix_tokens"), [(True, 250), (False, 125)]
)
def test_a_reduced_prompt_keeps_a_suffix_that_stands_in_front(
    *, is_suffix_first: bool, suffix_tokens: int
) -> None:
    """Half of the code is left, and what the engine has cached of it stays the same."""
    budget = plan_budget(
        PromptConfig(max_prompt_tokens=1004),
        max_model_len=2048,
        max_output_tokens=48,
        frame_tokens=4,
        is_reduced=True,
        is_suffix_first=is_suffix_first,
    )
    assert (500, suffix_tokens) == (budget.code_tokens, budget.suffix_tokens)
