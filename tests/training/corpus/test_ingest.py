"""A source's files are read, judged, signed and set aside."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lsp_server.files import read_lines
from training.corpus.decontamination import EvaluationRuns
from training.corpus.filters import LARGEST_BYTES
from training.corpus.ingest import Task, ingest
from training.corpus.locations import find_locations
from training.corpus.minhash import sign
from training.corpus.values import Dropped
from training.corpus.words import hash_runs, hash_words


@pytest.fixture
def make_task(tmp_path: Path) -> Callable[[Path], Task]:
    """Give a maker of tasks that know no evaluation data."""

    def make(source: Path) -> Task:
        (location,) = find_locations([source])
        return Task(
            location=location,
            package="alpha",
            version="1.0",
            licence="MIT",
            evaluation=EvaluationRuns(np.empty(0, dtype=np.uint64)),
            spool=tmp_path / "spool.gz",
        )

    return make


def test_sets_text_aside(
    make_task: Callable[[Path], Task],
    make_module: Callable[[int], str],
    write_wheel: Callable[..., Path],
) -> None:
    """Each Python file that passes is one line with its package, path and text."""
    texts = {"alpha/b.py": make_module(1), "alpha/a.py": make_module(2)}
    task = make_task(write_wheel("alpha", {**texts, "alpha/data.txt": make_module(3)}))
    result = ingest(task)
    lines = [json.loads(line) for line in read_lines(task.spool)]
    assert [
        {
            "package": "alpha",
            "version": "1.0",
            "licence": "MIT",
            "path": path,
            "text": text,
        }
        for path, text in sorted(texts.items())
    ] == lines
    assert sorted(texts) == [record.path for record in result.records]
    signed = np.stack([sign(hash_words(line["text"])) for line in lines])
    assert np.array_equal(signed, result.signatures)
    assert not result.damaged


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"# " + "Stra\xdfe\n".encode("latin-1") * 50, "not UTF-8"),
        (b"x" * (LARGEST_BYTES + 1), "too large"),
        (b"", "too short"),
        (b"# Do not edit.\n" * 20, "generated"),
    ],
)
def test_counts_what_it_drops(
    make_task: Callable[[Path], Task],
    write_wheel: Callable[..., Path],
    content: bytes,
    reason: str,
) -> None:
    """What does not pass is counted under its reason, and not set aside."""
    task = make_task(write_wheel("alpha", {"a.py": content, "b.py": content}))
    result = ingest(task)
    assert {reason: Dropped(files=2, bytes=2 * len(content))} == result.dropped
    assert [] == list(read_lines(task.spool))
    assert (0, 128) == result.signatures.shape


@pytest.mark.parametrize(
    ("before", "after"),
    [("\ufeff", ""), ("a = 1\r\n", "a = 1\n"), ("a = 1\rb = 2\n", "a = 1\nb = 2\n")],
)
def test_makes_text_plain(
    make_task: Callable[[Path], Task],
    make_module: Callable[[int], str],
    write_wheel: Callable[..., Path],
    before: str,
    after: str,
) -> None:
    """Byte order marks go, and every line end becomes a line feed."""
    content = (before + make_module(1)).encode()
    task = make_task(write_wheel("alpha", {"a.py": content}))
    ingest(task)
    (line,) = read_lines(task.spool)
    assert after + make_module(1) == json.loads(line)["text"]


def test_drops_evaluation_data(
    make_task: Callable[[Path], Task],
    make_module: Callable[[int], str],
    write_wheel: Callable[..., Path],
) -> None:
    """A file that shares ten words in a row with the evaluation data is dropped."""
    source = write_wheel("alpha", {"a.py": make_module(1), "b.py": make_module(2)})
    runs = np.unique(hash_runs(hash_words(make_module(1)), 10))
    task = replace(make_task(source), evaluation=EvaluationRuns(runs[:1]))
    result = ingest(task)
    assert ["b.py"] == [record.path for record in result.records]
    assert ["evaluation data"] == list(result.dropped)


def test_keeps_what_came_before_the_damage(
    make_task: Callable[[Path], Task],
    make_module: Callable[[int], str],
    write_wheel: Callable[..., Path],
) -> None:
    """A member whose checksum is wrong ends the source, and says so."""
    archive = write_wheel("alpha", {"a.py": make_module(1), "b.py": make_module(2)})
    content = bytearray(archive.read_bytes())
    place = content.find(b"b.py") + 40
    content[place : place + 20] = b"\xff" * 20
    archive.write_bytes(content)
    result = ingest(make_task(archive))
    assert ["a.py"] == [record.path for record in result.records]
    assert result.damaged
