"""Settings are laid over each other; a bad one is reported and left out."""

import datetime
from pathlib import Path

import pytest

from lsp_server.config import CompletionConfig, Config, EngineConfig, LogLevel
from lsp_server.setting_layers import (
    Layer,
    editor_layer,
    environment_layer,
    file_layer,
    shown,
)
from lsp_server.settings import resolve, settle

CONTEXT = 2048


def test_no_layers_give_the_defaults() -> None:
    """Without any layer, every setting is its default and nothing is wrong."""
    resolved = resolve([])
    assert Config() == resolved.config
    assert () == resolved.problems


def test_later_layers_win_and_keep_the_rest(tmp_path: Path) -> None:
    """The editor wins over the environment, that over the file, key by key."""
    path = tmp_path / "config.toml"
    path.write_text(
        "[engine]\nseed = 1\nmax_num_seqs = 3\n[prompt]\nstep_lines = 8\n"
        '[log]\nlevel = "debug"\n'
    )
    resolved = resolve(
        [
            file_layer(path),
            environment_layer(
                {"MIDFILL_ENGINE_SEED": "2", "MIDFILL_ENGINE_MAX_NUM_SEQS": "4"}
            ),
            editor_layer({"midfill": {"engine": {"maxNumSeqs": 5}}}),
        ]
    )
    assert () == resolved.problems
    assert 2 == resolved.config.engine.seed
    assert 5 == resolved.config.engine.max_num_seqs
    assert 8 == resolved.config.prompt.step_lines
    assert LogLevel.DEBUG is resolved.config.log.level


@pytest.mark.parametrize(
    ("values", "parts"),
    [
        ({"engin": {"seed": 1}}, ["no setting engin.", "Did you mean engine?"]),
        ({"engine": {"foo": 1}}, ["no setting engine.foo. Settings there"]),
        ({"engine": {"sed": 1}}, ["Did you mean engine.seed?"]),
        ({"engine": {"sed": 1}}, ["no setting engine.sed", "mean engine.seed?"]),
        (
            {"engine": {"zzz": 1}},
            ["engine.zzz", "there: engine.", "engine.device, engine.dtype"],
        ),
        (
            {"engine": {"seed": "1"}},
            ['engine.seed = "1"', "a whole number from 0", "until then it is 0"],
        ),
        ({"engine": {"seed": True}}, ["engine.seed = true", "a whole number"]),
        ({"engine": {"seed": 1.0}}, ["engine.seed = 1.0", "a whole number"]),
        ({"engine": {"seed": -1}}, ["engine.seed = -1", "from 0 to 1,000,000,000"]),
        ({"engine": {"seed": 10**400}}, ["engine.seed = 1000", "from 0 to"]),
        ({"engine": {"seed": 10**5000}}, ["engine.seed = a value too large"]),
        (
            {"engine": {"device": "tpu"}},
            ['engine.device = "tpu"', 'one of "auto", "cpu", "cuda"', 'it is "auto"'],
        ),
        ({"engine": {"device": ["cpu"]}}, ['engine.device = ["cpu"]', "one of"]),
        ({"engine": {"enforce_eager": 1}}, ["true or false", "until then it is false"]),
        ({"engine": 3}, ["engine = 3", "a table of settings"]),
        ({"model": {"path": 3}}, ["model.path", "3", "a string"]),
        (
            {"model": {"path": datetime.date(2026, 1, 2)}},
            ['model.path = "2026-01-02"', "a string"],
        ),
        ({"prompt": {"suffix_share": 1.5}}, ["suffix_share", "from 0 to 0.9"]),
        ({"prompt": {"suffix_share": float("nan")}}, ["suffix_share", "a number"]),
        ({"prompt": {"suffix_share": 10**400}}, ["suffix_share", "a number"]),
        ({"prompt": {"suffix_share": "x" * 99}}, ["...", "a number"]),
    ],
)
def test_a_bad_setting_is_reported_and_left_out(
    values: dict[str, object], parts: list[str]
) -> None:
    """The message has key, value, place, what is accepted, and what holds meanwhile.

    A value is spelt as in the file, not as Python would.
    """
    resolved = resolve([Layer(place="/etc/here.toml", values=values)])
    assert Config() == resolved.config
    (problem,) = resolved.problems
    for part in ["/etc/here.toml", *parts]:
        assert part in str(problem)


def test_a_bad_setting_leaves_its_neighbours() -> None:
    """One wrong key does not cost the right ones beside it."""
    resolved = resolve(
        [Layer(place="x", values={"engine": {"seed": "no", "max_num_seqs": 7}})]
    )
    assert 7 == resolved.config.engine.max_num_seqs
    assert 1 == len(resolved.problems)


def test_a_bad_later_value_leaves_the_earlier_one() -> None:
    """A wrong value of the editor does not undo the file's right one."""
    resolved = resolve(
        [
            Layer(place="file", values={"engine": {"seed": 9}}),
            editor_layer({"engine": {"seed": "x"}}),
        ]
    )
    assert 9 == resolved.config.engine.seed
    assert "editor" in str(resolved.problems[0])
    assert "until then it is 9" in str(resolved.problems[0])


def test_a_bad_earlier_value_is_reported_with_the_one_that_holds() -> None:
    """Where a later layer has a good one, that one is named."""
    resolved = resolve(
        [
            Layer(place="file", values={"engine": {"seed": "x"}}),
            editor_layer({"engine": {"seed": 9}}),
        ]
    )
    assert "until then it is 9" in str(resolved.problems[0])


def test_a_name_is_spelt_as_in_its_place() -> None:
    """The user finds the name again: in camel case, in capitals, or in snake case."""
    layers = [
        Layer(place="file", values={"engine": {"max_num_seqs": "x"}}),
        environment_layer({"MIDFILL_ENGINE_MAX_NUM_SEQS": "x"}),
        editor_layer({"engine": {"maxNumSeqs": "x"}}),
    ]
    reported = [str(problem).split(" = ")[0] for problem in resolve(layers).problems]
    assert [
        "file: engine.max_num_seqs",
        "environment: MIDFILL_ENGINE_MAX_NUM_SEQS",
        "editor: engine.maxNumSeqs",
    ] == reported


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
    ("asked", "reported"),
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
    asked: Config, reported: list[str]
) -> None:
    """The message has the numbers, what to do, and what holds until then."""
    settled, problems = settle(asked, Config(), model_tokens=CONTEXT)
    assert Config() == settled
    (problem,) = problems
    for part in reported:
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


def test_a_model_too_small_for_the_defaults_is_reported() -> None:
    """Where nothing smaller is held, the sentence says at least what to do."""
    settled, (problem,) = settle(Config(), Config(), model_tokens=128)
    assert Config() == settled
    assert "Lower completion.max_line_tokens" in str(problem)
    assert "until then" not in str(problem)


@pytest.mark.parametrize("text", ["1", "ture", '"true"', "[true]"])
def test_a_protection_that_is_set_wrongly_is_on(text: str) -> None:
    """A typing error does not switch it off."""
    layer = environment_layer({"MIDFILL_MODELS_REQUIRE_SIGNATURE": text})
    resolved = resolve([layer])
    assert resolved.config.models.require_signature
    (problem,) = resolved.problems
    assert "until then it is true" in str(problem)


def test_a_key_that_is_none_is_reported() -> None:
    """With what would be one; spaces and line ends separate keys."""
    key = f"ed25519:{'A' * 43}="
    good = environment_layer({"MIDFILL_MODELS_TRUSTED_KEYS": f" {key}\n{key} "})
    assert () == resolve([good]).problems
    bad = environment_layer({"MIDFILL_MODELS_TRUSTED_KEYS": f"{key} {key[:-1]}"})
    (problem,) = resolve([bad]).problems
    assert "Use keys as `midfill models keygen` prints them" in str(problem)


def test_messages_show_60_characters_of_a_value() -> None:
    """Such as a whole file that was pasted where a name should stand."""
    assert f'"{"x" * 58}"' == shown("x" * 58)
    assert f'"{"x" * 56}...' == shown("x" * 59)
