"""What a run would be trained on can be looked at."""

from pathlib import Path

import pytest

from training.train.cuts import Cut
from training.train.inspect import count_middles, main

EXPERIMENT = Path(__file__).resolve().parents[3] / "training/train/experiment.toml"


def cut(prefix: str, middle: str, suffix: str) -> Cut:
    """Return a cut."""
    return Cut(prefix=prefix, middle=middle, suffix=suffix)


def test_counts_where_middles_begin_and_end() -> None:
    """Only middles with code on both sides count."""
    found = count_middles(
        [
            cut("a\n", "b\n", "c"),
            cut("a\n", "    b", "\nc"),
            cut("a\n  ", "b", "\nc"),
            cut("a = ", "b", ")\nc"),
            cut("a = ", "b", "\nc"),
            cut("\n", "b\n", "c"),
            cut("a\n", "b\n", "\n"),
            cut("a\n", "b", ""),
        ]
    )
    assert {
        ("line start", "behind a line end"): 1,
        ("line start", "before a line end"): 1,
        ("indentation", "before a line end"): 1,
        ("in a line", "in a line"): 1,
        ("in a line", "before a line end"): 1,
    } == dict(found)


def test_shows_examples(
    corpus: Path, tokenizer_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The table counts what the shares say, and rows show sentinels and the middle."""
    shares = "{cursor=0.0,in_line=0.0,line=1.0,block=0.0,node=0.0,span=0.0}"
    order = [str(EXPERIMENT), "--corpus", str(corpus), "--show", "2"]
    order += ["--tokenizer", str(tokenizer_folder), "--examples", "40", "--at", "0"]
    assert 0 == main([*order, "--set", f"data.cuts.shares={shares}"])
    said = capsys.readouterr().out
    assert "40 examples" in said
    assert "| in a line | 0.0% | 0.0% | 0.0% | 0.0% |" in said
    assert 2 == said.count("\n--- ")
    assert 2 == said.count("<|endoftext|><|fim_prefix|><|fim_suffix|>")
    assert 2 == said.count("<|endoftext|>»")


def test_tells_what_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    """An error is a line on stderr and status 1."""
    assert 1 == main([str(EXPERIMENT), "--corpus", "none"])
    assert "error: " in capsys.readouterr().err
