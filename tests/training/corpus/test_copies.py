"""Copies of the evaluation data and of kept files are found, and nothing else is."""

import gzip
import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lsp_server.errors import CorpusError
from training.corpus.copies import (
    PERMUTATIONS,
    EvaluationRuns,
    Hashes,
    NearDuplicates,
    Selected,
    Selector,
    Signature,
    hash_runs,
    hash_words,
    read_evaluation_data,
    sign,
)
from training.corpus.output import Dropped, FileRecord

WORDS = st.lists(st.text("abcxyz", min_size=1, max_size=4), max_size=30)


@given(words=WORDS, length=st.integers(1, 12))
def test_hashes_every_run(words: list[str], length: int) -> None:
    """Equal runs have equal hashes, others different ones, and none is missing."""
    runs = [tuple(words[n : n + length]) for n in range(len(words) - length + 1)]
    hashes = hash_runs(hash_words(" ".join(words)), length).tolist()
    assert len(runs) == len(hashes)
    assert (
        len(set(runs)) == len(set(hashes)) == len(set(zip(runs, hashes, strict=True)))
    )


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("def f(a, b):\n    return a", "DEF  f( a,b ) : return a"),
        ("x = 'word'", 'x="word"'),
    ],
)
def test_ignores_layout(first: str, second: str) -> None:
    """Layout, punctuation and case are not words."""
    assert np.array_equal(hash_words(first), hash_words(second))


def test_is_the_same_in_every_process() -> None:
    """No hash depends on Python's own, which is different in each process."""
    program = (
        "from training.corpus.copies import *;"
        "words = hash_words('one two three');"
        "print(hash_runs(words, 2).tolist(), sign(words).tolist())"
    )
    said = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout
    words = hash_words("one two three")
    assert f"{hash_runs(words, 2).tolist()} {sign(words).tolist()}" == said.strip()


TEXT = "zero one two three four five six seven eight nine ten eleven"


def touches(runs: EvaluationRuns, text: str) -> bool:
    """Whether a text shares a run."""
    return runs.is_in(hash_words(text))


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
    """Every file counts, and its hash stands beside its name."""
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


_SIX_DEVIATIONS = 6 * 0.5 / PERMUTATIONS**0.5


def estimate(first: Signature, second: Signature) -> float:
    """Estimate the share of runs that two texts have in common."""
    return float(np.mean(first == second))


def numbered(start: int, stop: int) -> Hashes:
    """Return words of which no two are equal."""
    return np.arange(start, stop, dtype=np.uint64) * np.uint64(2_654_435_761)


def signature(start: int, stop: int) -> Signature:
    """Sign numbered words."""
    return sign(numbered(start, stop))


@settings(max_examples=60, deadline=None)
@given(
    first=st.integers(0, 10_000),
    length=st.integers(20, 3_000),
    shift_share=st.floats(0, 1),
)
def test_estimates_the_common_share(
    first: int, length: int, shift_share: float
) -> None:
    """The estimate is as near to the true share as 128 samples allow."""
    shift = int(length * shift_share)
    runs = length - 4
    common = max(0, runs - shift)
    true_share = common / (2 * runs - common)
    estimated = estimate(
        signature(first, first + length),
        signature(first + shift, first + shift + length),
    )
    assert abs(true_share - estimated) <= _SIX_DEVIATIONS


@given(words=st.lists(st.integers(0, 2**32 - 1), max_size=40))
def test_does_not_depend_on_repetition(words: list[int]) -> None:
    """A text repeated has the runs of the text, and those where it meets itself."""
    once = np.array(words * 2, dtype=np.uint64)
    twice = np.array(words * 3, dtype=np.uint64)
    if len(words) >= 4:
        assert np.array_equal(sign(once), sign(twice))
    assert np.array_equal(sign(once), sign(once))


@pytest.mark.parametrize("count", [0, 1, 4, 5, 2_052, 2_053, 5_000])
def test_signs_any_length(count: int) -> None:
    """Texts shorter than a run, and longer than a block, have full signatures."""
    signed = signature(0, count)
    assert (PERMUTATIONS,) == signed.shape
    assert np.uint32 == signed.dtype


@pytest.mark.parametrize(
    ("shift", "is_new"),
    [(0, False), (20, False), (50, False), (400, True), (2_000, True)],
)
def test_finds_what_is_alike(shift: int, *, is_new: bool) -> None:
    """At a threshold of 0.8, five percent of change is a copy and forty is none."""
    index = NearDuplicates(0.8)
    assert index.add(signature(0, 1_000))
    assert is_new == index.add(signature(shift, shift + 1_000))


def test_compares_with_all_that_was_kept() -> None:
    """A copy is known whichever of many earlier texts it copies."""
    index = NearDuplicates(0.8)
    for number in range(50):
        assert index.add(signature(number * 1_000, number * 1_000 + 500))
    for number in range(50):
        assert not index.add(signature(number * 1_000 + 5, number * 1_000 + 505))


def test_forgets_what_it_did_not_keep() -> None:
    """A dropped text does not drop others: likeness is to what is in the corpus."""
    index = NearDuplicates(0.8)
    kept, dropped, third = (signature(n, n + 1_000) for n in (0, 90, 180))
    assert index.add(kept)
    assert not index.add(dropped)
    assert 0.8 <= estimate(dropped, third)
    assert index.add(third)


def select(selector: Selector, *texts: str) -> Selected:
    """Choose among the files of a source with these texts."""
    records = tuple(
        FileRecord(
            path=f"{n}.py",
            sha256=hashlib.sha256(text.encode()).hexdigest(),
            characters=len(text),
            bytes=len(text),
        )
        for n, text in enumerate(texts)
    )
    return selector.select(records, np.stack([sign(hash_words(t)) for t in texts]))


def words(start: int, stop: int) -> str:
    """Return a text of numbered words."""
    return " ".join(f"word{n}" for n in range(start, stop))


FIRST, LIKE_FIRST, OTHER = words(0, 400), words(5, 405), words(1_000, 1_400)


def test_keeps_the_first_of_a_kind() -> None:
    """Equal and similar files are dropped, each counted under its reason."""
    selected = select(Selector(0.8), FIRST, FIRST, LIKE_FIRST, OTHER)
    assert (0, 3) == selected.places
    assert ["0.py", "3.py"] == [record.path for record in selected.records]
    assert {
        "exact duplicate": Dropped(files=1, bytes=len(FIRST)),
        "near-duplicate": Dropped(files=1, bytes=len(LIKE_FIRST)),
    } == selected.dropped


@pytest.mark.parametrize("again", [FIRST, LIKE_FIRST])
def test_remembers_earlier_sources(again: str) -> None:
    """A copy in another package is a copy, also if that one is held out."""
    selector = Selector(0.8)
    select(selector, FIRST)
    assert (1,) == select(selector, again, OTHER).places


def test_threshold_can_be_out_of_reach() -> None:
    """Above 1, only equal files are dropped."""
    selected = select(Selector(1.1), FIRST, FIRST, LIKE_FIRST)
    assert (0, 2) == selected.places
