"""Text of the evaluation data is known in any file, and nothing else is."""

import gzip
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsp_server.errors import CorpusError
from training.corpus.decontamination import EvaluationRuns, read_evaluation_data
from training.corpus.words import hash_runs, hash_words

TEXT = "zero one two three four five six seven eight nine ten eleven"


def touches(runs: EvaluationRuns, text: str) -> bool:
    """Whether a text shares a run."""
    return runs.touch(hash_words(text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (TEXT, True),
        (f"x = 1\n{TEXT}\n", True),
        ("Zero(one, two)\n  three.four[five] + six('seven', eight=nine)", True),
        ("one two three four five six seven eight nine ten", True),
        ("one two three four five six seven eight nine", False),
        ("zero one two three four FIVE_ six seven eight nine ten eleven", False),
        (" ".join(reversed(TEXT.split())), False),
        ("", False),
    ],
)
@pytest.mark.parametrize("name", ["data.txt", "data.jsonl", "data.jsonl.gz", "a.json"])
def test_knows_ten_words_in_a_row(
    tmp_path: Path, name: str, text: str, *, expected: bool
) -> None:
    """Ten common words in a row count, nine do not, layout does not matter."""
    content = TEXT if name == "data.txt" else json.dumps({"a": [{"b": TEXT}], "c": 1})
    path = tmp_path / name
    data = content.encode()
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    runs, _ = read_evaluation_data([path])
    assert expected == touches(runs, text)


def test_joins_the_parts_of_a_task(evaluation_data: Path) -> None:
    """A solution that stands in its place counts, across the task's borders."""
    runs, _ = read_evaluation_data([evaluation_data])
    copied = "numbers limit chosen sorted numbers answer sum chosen limit return answer"
    assert touches(runs, copied)
    assert touches(runs, "check candidate assert candidate 3 5 1 3 ") is False


def test_reads_several_files(tmp_path: Path) -> None:
    """Every file counts, and its hash is told by its name."""
    paths = [tmp_path / "b.txt", tmp_path / "a.txt"]
    texts = [TEXT, TEXT.replace("o", "q")]
    for path, text in zip(paths, texts, strict=True):
        path.write_text(text)
    runs, hashes = read_evaluation_data(paths)
    assert all(touches(runs, text) for text in texts)
    assert ["a.txt", "b.txt"] == list(hashes)
    assert hashlib.sha256(texts[0].encode()).hexdigest() == hashes["b.txt"]


@pytest.mark.parametrize("content", [None, b"", b"too few words", b"{}\n"])
def test_insists_on_data(tmp_path: Path, content: bytes | None) -> None:
    """A missing or an empty file is an error: it would let everything pass."""
    path = tmp_path / "data.jsonl"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CorpusError) as caught:
        read_evaluation_data([path])
    assert str(path) == caught.value.subject


def test_says_that_compression_is_damaged(tmp_path: Path) -> None:
    """A file that is not what its name says is an error that names it."""
    path = tmp_path / "data.jsonl.gz"
    path.write_bytes(gzip.compress(TEXT.encode())[:-9])
    with pytest.raises(CorpusError, match="cannot be read"):
        read_evaluation_data([path])


@given(
    evaluation=st.lists(st.integers(0, 3), min_size=10, max_size=30),
    text=st.lists(st.integers(0, 3), max_size=30),
)
def test_agrees_with_comparison(evaluation: list[int], text: list[int]) -> None:
    """The answer is that of comparing all runs with all runs."""
    both = [" ".join(map(str, words)) for words in (evaluation, text)]
    runs = [
        {tuple(words[n : n + 10]) for n in range(len(words) - 9)}
        for words in (evaluation, text)
    ]
    known = EvaluationRuns(np.unique(hash_runs(hash_words(both[0]), 10)))
    assert bool(runs[0] & runs[1]) == touches(known, both[1])
