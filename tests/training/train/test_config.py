"""A run's configuration is read strictly, and errors name the key or the rule."""

from dataclasses import replace
from pathlib import Path

import pytest

from lsp_server.errors import TrainingError
from training.train.config import read_config

ROOT = Path(__file__).resolve().parents[3]
STARTER = ROOT / "training" / "train" / "starter.toml"
EXPERIMENT = ROOT / "training" / "train" / "experiment.toml"


def test_shipped_recipe_is_right() -> None:
    """The shipped file keeps all rules, and its stages come in order."""
    config = read_config(STARTER)
    assert 12 == config.shape.layers
    stages = [config.stage_at(share) for share in (0.0, 0.6, 0.99, 1.0, 2.0)]
    last = config.data.stages[-1]
    assert [*config.data.stages, last, last] == stages


def test_changes_one_setting() -> None:
    """A change replaces its key alone, a list as a whole; the last change wins."""
    base = read_config(EXPERIMENT)
    apart = replace(base, data=replace(base.data, apart=True))
    assert apart == read_config(EXPERIMENT, ["data.apart=false", "data.apart=true"])
    stage = "until_share=1.0,row_tokens=64,shortest_window_tokens=9"
    stages = f"data.stages=[{{{stage},longest_window_tokens=60}}]"
    one = read_config(EXPERIMENT, [stages])
    assert base == replace(one, data=replace(one.data, stages=base.data.stages))
    assert [(64, 60)] == [
        (stage.row_tokens, stage.longest_window_tokens) for stage in one.data.stages
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("shape.layers = 12.0", "'shape.layers': input should be a valid integer"),
        ("shape.layers = '12'", "'shape.layers': input should be a valid integer"),
        ("shape.layers = true", "'shape.layers': input should be a valid integer"),
        ("shape.layers = 1979-05-27", "'shape.layers': input should be a valid"),
        ("shape = 12", "'shape': input should be an object"),
        ("shape.layer = 12", "'shape.layer' is unknown"),
        ("data.apart = 1", "'data.apart': input should be a valid boolean"),
        ("data.apart", "is not TOML"),
        ("data.stages = [{until_share = 'all'}]", r"'data.stages\[0\].until_share'"),
        ("data.stages = []", "end at 1.0"),
        ("shape.kv_heads = 5", "kv_heads divides heads"),
        ("shape.kv_heads = 0", "'shape.kv_heads': input should be greater than 0"),
        ("shape.head_size = 63", "'shape.head_size': input should be a multiple of 2"),
        ("shape.context_tokens = 1024", "rows into context_tokens"),
        ("recipe.batch_tokens = 65537", "batch_tokens is a multiple of"),
        ("recipe.micro_batch_tokens = 1", "batch_tokens is a multiple of"),
        ("data.cuts.fim_share = 1.1", "fim_share': input should be less than or equal"),
        ("data.cuts.shares.cursor = 0.6", "together 1"),
        ("data.cuts.shares = {cursor = -0.5, line = 1.5}", "or equal to 0"),
        ("data.cuts.format = 'mid'", "'midfill', 'prefix-first' or 'marked-cursor'"),
        ("recipe.decay_share = 1.5", "fit into the run"),
        ("recipe.log_every_steps = 0", "'recipe.log_every_steps': input should be"),
        ("data.workers = -1", "'data.workers': input should be greater than or equal"),
    ],
)
def test_tells_what_is_wrong(change: str, message: str) -> None:
    """The error names the file, and the key or the rule."""
    with pytest.raises(TrainingError, match=message) as caught:
        read_config(STARTER, [change])
    assert str(STARTER) == caught.value.subject


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read"),
        (b"[shape", "is not TOML"),
        (b"\xff", "is not TOML"),
        (b"[shape]\nlayers = 1\n", "the key 'shape.hidden' is missing"),
    ],
)
def test_refuses_a_file(tmp_path: Path, content: bytes | None, message: str) -> None:
    """A file that is missing, no TOML or not complete is an error."""
    path = tmp_path / "run.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(TrainingError, match=message):
        read_config(path)
