"""Single settings are changed on the command line, and checked like the file's."""

from pathlib import Path

import pytest

from lsp_server.errors import TrainingError
from training.train.changes import apply_changes
from training.train.config import read_config

EXPERIMENT = Path(__file__).resolve().parents[3] / "training/train/experiment.toml"


def test_changes_one_setting() -> None:
    """What is not named stays; a later change wins over an earlier one."""
    raw = {"a": {"b": 1, "c": [1, 2]}, "d": 1}
    changed = apply_changes(raw, ["a.b = 2", "a.b=3", "a.c=[5]"])
    assert {"a": {"b": 3, "c": [5]}, "d": 1} == changed
    assert {"a": {"b": 1, "c": [1, 2]}, "d": 1} == raw


def test_an_experiment_differs_in_one_thing() -> None:
    """The file with a change is the file but for that."""
    base = read_config(EXPERIMENT)
    changed = read_config(EXPERIMENT, ["data.apart=true"])
    assert changed != base
    assert changed == read_config(EXPERIMENT, ["data.apart=false", "data.apart=true"])
    assert base == read_config(EXPERIMENT, ["data.apart=false"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("data.apart=1", "is not true or false"),
        ("data.apart", "is not TOML"),
        ("data.together=true", "'data.together' is unknown"),
        ("data.cuts.shares.line=0.5", "together 1"),
    ],
)
def test_a_wrong_change_is_told(change: str, message: str) -> None:
    """A mistake in a change is told as one in the file."""
    with pytest.raises(TrainingError, match=message):
        read_config(EXPERIMENT, [change])
