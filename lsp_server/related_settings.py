"""Checks settings that must fit together, which each one's own range cannot say."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

from lsp_server.config import Config
from lsp_server.errors import ConfigError

__all__ = ["settle"]

_LEAST_PROMPT_TOKENS = 64
"""Less of a document is of no use; `prompt.max_prompt_tokens` begins here, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Conflict:
    """Settings that cannot work together.

    Attributes:
        keys: The settings, as section and key.
        what: What is wrong, with the numbers.
        remedy: What to do.
    """

    keys: tuple[tuple[str, str], ...]
    what: str
    remedy: str


def settle(
    config: Config, held: Config, *, model_tokens: int | None
) -> tuple[Config, tuple[ConfigError, ...]]:
    """Replace settings that cannot work together by those that are held.

    Args:
        config: What is asked for.
        held: What holds until now; the defaults at the start.
        model_tokens: The model's context length; None where it is not known.

    Returns:
        A configuration that can work wherever ``held`` can, and one problem for each
        conflict.
    """
    problems = []
    for conflict in _conflicts(config, model_tokens):
        before = config
        for section, key in conflict.keys:
            config = _with(config, section, key, _value(held, section, key))
        problems.append(_problem(conflict, before, config))
    return config, tuple(problems)


def _conflicts(config: Config, model_tokens: int | None) -> Iterator[_Conflict]:
    """Find what does not fit together."""
    engine, completion = config.engine, config.completion
    context = engine.max_model_len or model_tokens
    if model_tokens and engine.max_model_len > model_tokens:
        context = model_tokens
        yield _Conflict(
            keys=(("engine", "max_model_len"),),
            what=f"the model has {model_tokens:,} tokens of context, and "
            f"engine.max_model_len asks for {engine.max_model_len:,}",
            remedy="Set it to 0 for the model's own",
        )
    output = max(completion.max_line_tokens, completion.max_block_tokens)
    if context and output + _LEAST_PROMPT_TOKENS > context:
        yield _Conflict(
            keys=(
                ("completion", "max_line_tokens"),
                ("completion", "max_block_tokens"),
                ("engine", "max_model_len"),
            ),
            what=f"completions of {output:,} tokens leave less than "
            f"{_LEAST_PROMPT_TOKENS} of {context:,} tokens of context for a prompt",
            remedy="Lower completion.max_line_tokens and completion.max_block_tokens"
            + (", or raise engine.max_model_len" if engine.max_model_len else ""),
        )
    if 0 < engine.max_num_batched_tokens < engine.max_num_seqs:
        yield _Conflict(
            keys=(("engine", "max_num_batched_tokens"), ("engine", "max_num_seqs")),
            what=f"engine.max_num_batched_tokens is {engine.max_num_batched_tokens:,}, "
            f"less than engine.max_num_seqs, {engine.max_num_seqs:,}",
            remedy="Raise the one, lower the other, or set the first to 0",
        )


def _problem(conflict: _Conflict, asked: Config, settled: Config) -> ConfigError:
    """Say what is wrong, and what holds instead."""
    now = [
        f"{section}.{key} is {_value(settled, section, key):,}"
        for section, key in conflict.keys
        if _value(settled, section, key) != _value(asked, section, key)
    ]
    until = f"; until then {' and '.join(now)}" if now else ""
    return ConfigError(
        conflict.what,
        subject="settings that cannot work together",
        remedy=conflict.remedy + until,
    )


def _value(config: Config, section: str, key: str) -> int:
    return int(getattr(getattr(config, section), key))


def _with(config: Config, section: str, key: str, value: int) -> Config:
    changed = dataclasses.replace(getattr(config, section), **{key: value})
    return dataclasses.replace(config, **{section: changed})
