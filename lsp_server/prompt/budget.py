"""Divides the prompt's tokens before anything is rendered."""

from dataclasses import dataclass

from lsp_server.config import PromptConfig
from lsp_server.errors import ConfigError

__all__ = ["SNIPPET_SHARE", "Budget", "plan_budget"]

SNIPPET_SHARE = 0.25
"""The share of the prompt for snippets of other files, all together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """The most tokens of each part of a prompt.

    The suffix's budget does not depend on how much prefix there is. Otherwise the
    suffix, and with it the start of an SPM prompt, would change on every key.

    Attributes:
        code_tokens: For snippets, prefix and suffix together.
        snippet_tokens: For the snippets.
        suffix_tokens: For the suffix.
    """

    code_tokens: int
    snippet_tokens: int
    suffix_tokens: int


def plan_budget(
    config: PromptConfig,
    *,
    max_model_len: int,
    max_output_tokens: int,
    frame_tokens: int,
    is_reduced: bool = False,
    is_suffix_first: bool = False,
) -> Budget:
    """Divide what the model can read next to its output and the format's own tokens.

    A reduced prompt has half of the code. A suffix that stands in front of the prefix
    keeps its budget: the engine's cache has it, up to the first token that differs.

    Args:
        config: The user's limits.
        max_model_len: The most tokens of prompt and output together.
        max_output_tokens: Tokens reserved for the output.
        frame_tokens: Tokens of the format itself: sentinels and fixed text.
        is_reduced: Whether there shall be less to read.
        is_suffix_first: Whether the format has the suffix in front of the prefix.

    Raises:
        ConfigError: Nothing is left for code.
    """
    total = min(config.max_prompt_tokens, max_model_len - max_output_tokens)
    code_tokens = total - frame_tokens
    if code_tokens < 1:
        raise ConfigError(
            f"{total} prompt tokens leave no room for code beside the format's "
            f"{frame_tokens}",
            subject="prompt.max_prompt_tokens and engine.max_model_len",
            remedy="raise them, or lower the completion's token limits",
        )
    suffix_tokens = int(code_tokens * config.suffix_share)
    if is_reduced:
        code_tokens = max(1, code_tokens // 2)
        halved = int(code_tokens * config.suffix_share)
        suffix_tokens = (
            max(halved, min(suffix_tokens, code_tokens // 2))
            if is_suffix_first
            else halved
        )
    return Budget(
        code_tokens=code_tokens,
        snippet_tokens=int(code_tokens * SNIPPET_SHARE),
        suffix_tokens=suffix_tokens,
    )
