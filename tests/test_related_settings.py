"""Settings that cannot work together are refused as one, and the old ones hold."""

import pytest

from lsp_server.config import CompletionConfig, Config, EngineConfig
from lsp_server.related_settings import settle

CONTEXT = 2048


def config(
    *, max_model_len: int = 0, max_num_batched_tokens: int = 0, max_num_seqs: int = 16
) -> Config:
    """Make a configuration with some settings of the engine."""
    engine = EngineConfig(
        max_model_len=max_model_len,
        max_num_batched_tokens=max_num_batched_tokens,
        max_num_seqs=max_num_seqs,
    )
    return Config(engine=engine)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (
            Config(completion=CompletionConfig(max_line_tokens=5000)),
            ["5,000 tokens", "2,048 tokens", "until then completion.max_line_tokens"],
        ),
        (
            Config(completion=CompletionConfig(max_block_tokens=1985)),
            ["1,985 tokens", "until then completion.max_block_tokens is 128"],
        ),
        (config(max_model_len=191), ["191 tokens", "until then engine.max_model_len"]),
        (config(max_model_len=2049), ["2,048", "2,049", "Set it to 0"]),
        (
            config(max_num_batched_tokens=8, max_num_seqs=9),
            ["max_num_batched_tokens is 8", "less than engine.max_num_seqs, 9"],
        ),
    ],
)
def test_a_conflict_is_one_message_and_the_old_holds(
    asked: Config, told: list[str]
) -> None:
    """The message has the numbers, what to do, and what holds until then."""
    settled, problems = settle(asked, Config(), model_tokens=CONTEXT)
    assert Config() == settled
    (problem,) = problems
    for part in told:
        assert part in str(problem)


@pytest.mark.parametrize(
    "asked",
    [
        Config(),
        Config(completion=CompletionConfig(max_block_tokens=1984)),
        config(max_model_len=192),
        config(max_model_len=2048),
        config(max_num_batched_tokens=16, max_num_seqs=16),
    ],
)
def test_what_works_together_is_taken(asked: Config) -> None:
    """The last values that fit are not refused."""
    assert (asked, ()) == settle(asked, Config(), model_tokens=CONTEXT)


def test_an_unknown_model_refuses_nothing() -> None:
    """What cannot be judged is left to whoever loads the model."""
    asked = Config(completion=CompletionConfig(max_line_tokens=5000))
    assert (asked, ()) == settle(asked, Config(), model_tokens=None)


def test_other_settings_of_the_change_hold() -> None:
    """A conflict costs the settings that are in it, and no others."""
    completion = CompletionConfig(max_line_tokens=5000, temperature=1.0)
    settled, _ = settle(Config(completion=completion), Config(), model_tokens=CONTEXT)
    assert CompletionConfig(temperature=1.0) == settled.completion


def test_a_model_too_small_for_the_defaults_is_told() -> None:
    """Where nothing smaller is held, the sentence says at least what to do."""
    settled, (problem,) = settle(Config(), Config(), model_tokens=128)
    assert Config() == settled
    assert "Lower completion.max_line_tokens" in str(problem)
    assert "until then" not in str(problem)
