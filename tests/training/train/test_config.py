"""A run's file is read strictly, and its rules are told in words."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lsp_server.errors import TrainingError
from training.train.config import read_config

ROOT = Path(__file__).resolve().parents[3]
STARTER = ROOT / "training" / "train" / "starter.toml"


def test_shipped_recipe_is_right() -> None:
    """The shipped file keeps all rules, and its stages come in order."""
    config = read_config(STARTER)
    assert 12 == config.shape.layers
    stages = [config.stage_at(share) for share in (0.0, 0.6, 0.99, 1.0, 2.0)]
    last = config.data.stages[-1]
    assert [*config.data.stages, last, last] == stages


def replaced(old: str, new: str) -> Callable[[str], str]:
    """Give an edit of the shipped file."""

    def edit(text: str) -> str:
        assert old in text
        return text.replace(old, new)

    return edit


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (replaced("layers = 12", "layers = 12.0"), "'shape.layers' is not a whole"),
        (replaced("layers = 12", "layer = 12"), "'shape.layer' is unknown"),
        (replaced("seed = 1\n", ""), "'recipe.seed' is missing"),
        (replaced("clip_norm = 1.0", "clip_norm = 1"), "not a number with a decimal"),
        (replaced("[shape]", "[shape"), "is not TOML"),
        (replaced("= 0.55", "= 'all'"), r"'data.stages\[0\].until_share'"),
        (replaced("[[data.stages]]", "[data.stages]"), "is not TOML"),
        (replaced("until_share = 1.0", "until_share = 0.9"), "end at 1.0"),
        (replaced("kv_heads = 4", "kv_heads = 5"), "kv_heads divides heads"),
        (replaced("kv_heads = 4", "kv_heads = 0"), "every size is positive"),
        (replaced("head_size = 64", "head_size = 63"), "head_size is even"),
        (replaced("= 2048\nrope", "= 1024\nrope"), "rows into context_tokens"),
        (replaced("batch_tokens = 131072", "batch_tokens = 65537"), "multiple of"),
        (replaced("fim_share = 0.9", "fim_share = 1.1"), "between 0 and 1"),
        (replaced("cursor = 0.1", "cursor = 0.6"), "together 1"),
        (replaced("cursor = 0.1", "cursor = -0.5"), "together 1"),
        (replaced('format = "marked-cursor"', 'format = "mid"'), "format is one of"),
        (replaced("decay_share = 0.65", "decay_share = 1.5"), "fit into the run"),
        (replaced("log_every_steps = 10", "log_every_steps = 0"), "are positive"),
        (replaced("workers = 14", "workers = -1"), "workers are counts"),
    ],
    ids=range(20),
)
def test_tells_what_is_wrong(
    tmp_path: Path, edit: Callable[[str], str], message: str
) -> None:
    """The error names the file, and the key or the rule."""
    path = tmp_path / "run.toml"
    path.write_text(edit(STARTER.read_text(encoding="utf-8")), encoding="utf-8")
    with pytest.raises(TrainingError, match=message) as caught:
        read_config(path)
    assert str(path) == caught.value.subject


def test_missing_file(tmp_path: Path) -> None:
    """So is a file that is not there."""
    with pytest.raises(TrainingError, match="cannot be read"):
        read_config(tmp_path / "no.toml")
