"""A source's files are read, filtered, signed and stored aside."""

import inspect
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lsp_server.files import read_lines
from training.corpus.copies import EvaluationRuns, hash_runs, hash_words, sign
from training.corpus.ingest import LARGEST_BYTES, Task, ingest, reject_path, reject_text
from training.corpus.output import Dropped
from training.corpus.sources import find_locations


@pytest.fixture
def make_task(tmp_path: Path) -> Callable[[Path], Task]:
    """Return a maker of tasks that know no evaluation data."""

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


CODE = inspect.getsource(inspect)[:6_000]


@pytest.mark.parametrize(
    ("path", "size_bytes", "reason"),
    [
        ("alpha/core.py", 10_000, None),
        ("alpha/vendor.py", 10, None),
        ("tests/test_core.py", LARGEST_BYTES, None),
        ("alpha/core.py", LARGEST_BYTES + 1, "too large"),
        ("alpha/_vendor/beta/core.py", 10, "vendored"),
        ("alpha/third_party/beta.py", 10, "vendored"),
        ("alpha/things_pb2.py", 10, "generated"),
        ("alpha/things_pb2_grpc.py", 10, "generated"),
        ("alpha/_version.py", 10, "generated"),
        ("alpha/parsetab.py", 10, "generated"),
    ],
)
def test_judges_paths(path: str, size_bytes: int, reason: str | None) -> None:
    """Copies of other packages, generated and huge files are not even read."""
    assert reason == reject_path(path, size_bytes=size_bytes)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (CODE, None),
        ("", "too short"),
        ("import os\n", "too short"),
        (" " * 500, "too short"),
        (CODE + "\0", "not text"),
        ("# Generated by the protocol buffer compiler.\n" + CODE, "generated"),
        ("# -*- coding: utf-8 -*-\n# DO NOT EDIT\n" + CODE, "generated"),
        ('"""Auto-generated file."""\n' + CODE, "generated"),
        ("# @generated\n" + CODE, "generated"),
        (CODE + "\n# Code generated by a tool looks like this.\n", None),
        ("# The keys are generated from the names.\n" + CODE, None),
        (CODE + "x = '" + "word " * 150 + "'\n", None),
        (CODE + "x = '" + "word " * 250 + "'\n", "long line"),
        (("words " * 25 + "\n") * 50, "long lines on average"),
        (CODE + "# " + "\N{GREEK SMALL LETTER ALPHA}" * 400 + "\n", None),
        (("\N{GREEK SMALL LETTER ALPHA} = abc\n") * 50, None),
        (("\N{GREEK SMALL LETTER ALPHA}" * 9 + " = abc\n") * 50, "little ASCII"),
        (
            "TABLE = [\n" + "    0x1F, 27, 3.5,\n" * 200 + "]\n",
            "little alphabetic text",
        ),
    ],
)
def test_judges_texts(text: str, reason: str | None) -> None:
    """Each kind of text that teaches little is known, and its neighbour passes."""
    assert reason == reject_text(text)


@pytest.mark.parametrize(
    "notice",
    [
        "# SPDX-License-Identifier: GPL-2.0-or-later",
        "# SPDX-License-Identifier: LGPL-3.0-only",
        "# License: AGPLv3",
        "# under the terms of the GNU Lesser General Public License",
    ],
)
def test_knows_gpl_notices(notice: str) -> None:
    """A file under the GPL family inside a permissive package is dropped."""
    assert "GPL notice" == reject_text(f"{notice}\n{CODE}")


def test_gives_reasons_by_name(make_module: Callable[[int], str]) -> None:
    """Made-up modules of the other tests are ordinary code."""
    assert [None] * 5 == [reject_text(make_module(seed)) for seed in range(5)]
