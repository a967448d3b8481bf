"""Damaged data is an error that names the file."""

import gzip
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from lsp_server.errors import EvaluationError
from training.eval.data import find_files, read_texts

WriteLines = Callable[[str, Sequence[object]], Path]


def test_finds(tmp_path: Path, write_lines: WriteLines) -> None:
    """A folder stands for its files of the pattern; each file comes once."""
    one, two = write_lines("a.jsonl.gz", []), write_lines("b.jsonl.gz", [])
    (tmp_path / "c.txt").touch()
    assert [two, one] == find_files([two, tmp_path], "*.jsonl.gz", remedy="r")


@pytest.mark.parametrize("name", ["missing.jsonl.gz", "empty"])
def test_finds_nothing(tmp_path: Path, name: str) -> None:
    """A missing file and an empty folder are errors that say what to do."""
    (tmp_path / "empty").mkdir()
    with pytest.raises(EvaluationError, match="Do this") as caught:
        find_files([tmp_path / name], "*.jsonl.gz", remedy="do this")
    assert str(tmp_path / name) == caught.value.subject


def test_nothing_named() -> None:
    """Without any place the error names the option."""
    with pytest.raises(EvaluationError, match="--data"):
        find_files([], "*.jsonl.gz", remedy="r")


def test_reads(write_lines: WriteLines) -> None:
    """The texts asked for come back as they were written."""
    path = write_lines("a.gz", [{"a": "é", "b": 1}])
    assert [{"a": "é"}] == list(read_texts(path, ("a",), remedy="r"))


def test_damaged_file(tmp_path: Path) -> None:
    """A damaged file is an error of the evaluation that names it."""
    path = tmp_path / "data.jsonl.gz"
    path.write_bytes(gzip.compress(b"{oops}\n"))
    with pytest.raises(EvaluationError, match="line 1 is not JSON") as caught:
        list(read_texts(path, (), remedy="r"))
    assert str(path) == caught.value.subject


def test_text_is_missing(write_lines: WriteLines) -> None:
    """A value that is no text is an error that names it."""
    with pytest.raises(EvaluationError, match="'prompt'"):
        list(read_texts(write_lines("a.gz", [{"prompt": 3}]), ("prompt",), remedy="r"))
