"""Text is chosen the same way every time, and never both seen and judged."""

import gzip
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from lsp_server.errors import QuantizeError
from training.corpus.output import ShardWriter
from training.quantize.corpus import read_corpus


def test_divides_by_file(python_files: Path) -> None:
    """No text calibrates and judges at once, and none is lost."""
    corpus = read_corpus(python_files, seed=0)
    assert 6 == len(corpus.calibration)
    assert 2 == len(corpus.held_out)
    texts = {path.read_text() for path in python_files.glob("*.py")}
    assert texts == {*corpus.calibration, *corpus.held_out}


def test_depends_on_the_seed_alone(python_files: Path) -> None:
    """The same seed gives the same order; another gives another."""
    assert read_corpus(python_files, seed=1) == read_corpus(python_files, seed=1)
    assert read_corpus(python_files, seed=1) != read_corpus(python_files, seed=2)


def test_takes_the_standard_library() -> None:
    """Without a folder there is still code, and the manifest can say whose."""
    corpus = read_corpus(None, seed=0)
    assert len(corpus.calibration) > 100
    assert "CPython 3." in corpus.description
    assert "PSF-2.0" in corpus.description


def test_passes_over_what_is_no_use(python_files: Path) -> None:
    """Short, huge, binary and other people's files are left out without a word."""
    before = read_corpus(python_files, seed=0)
    long_text = "x = 1\n" * 1000
    (python_files / "latin1.py").write_bytes(b"# \xe9\n" + long_text.encode())
    (python_files / "short.py").write_text("x = 1\n")
    (python_files / "huge.py").write_text(long_text * 50)
    (python_files / "dangling.py").symlink_to("missing.py")
    (python_files / "text.txt").write_text(long_text)
    for folder in ("tests", "site-packages", "__pycache__"):
        (python_files / folder).mkdir()
        (python_files / folder / "x.py").write_text(long_text)
    assert before == read_corpus(python_files, seed=0)


def test_needs_files_to_divide(tmp_path: Path) -> None:
    """A folder without code is refused, and a missing one too."""
    with pytest.raises(QuantizeError, match="there are 0 usable source texts"):
        read_corpus(tmp_path, seed=0)
    with pytest.raises(QuantizeError, match="calibration text is missing"):
        read_corpus(tmp_path / "missing", seed=0)


def write_shard(path: Path, texts: Sequence[str]) -> None:
    """Write a shard as the corpus builder does."""
    with ShardWriter(path.parent, split=path.stem, shard_bytes=1 << 30) as writer:
        for text in texts:
            writer.write(json.dumps({"package": "p", "text": text}) + "\n")


def source_text(number: int) -> str:
    """Return a text that is long enough, and like no other."""
    return f"value_{number} = {number}\n" * 200


def test_reads_a_training_corpus(tmp_path: Path) -> None:
    """Shards for training are read, those held out are not."""
    write_shard(tmp_path / "train", [source_text(number) for number in range(8)])
    write_shard(tmp_path / "held-out", [source_text(99)])
    corpus = read_corpus(tmp_path, seed=0)
    found = {*corpus.calibration, *corpus.held_out}
    assert {source_text(number) for number in range(8)} == found
    assert (6, 2) == (len(corpus.calibration), len(corpus.held_out))
    assert "the training corpus" == corpus.description


def test_reads_a_few_shards_of_many(tmp_path: Path) -> None:
    """A large corpus is not read to its end; the seed chooses."""
    with ShardWriter(tmp_path, split="train", shard_bytes=1) as writer:
        for number in range(12):
            writer.write(json.dumps({"text": source_text(number)}) + "\n")
    corpora = [read_corpus(tmp_path, seed=seed) for seed in range(4)]
    assert {4} == {len(c.calibration) + len(c.held_out) for c in corpora}
    assert 1 < len({frozenset(c.calibration) for c in corpora})


@pytest.mark.parametrize("name", ["texts.jsonl", "texts.jsonl.gz"])
def test_reads_a_file_of_json_lines(tmp_path: Path, name: str) -> None:
    """Gzipped or not, with line ends as an editor sends them."""
    lines = [
        json.dumps({"text": source_text(n).replace("\n", "\r\n")}) for n in range(5)
    ]
    content = "\n".join(lines).encode()
    (tmp_path / name).write_bytes(
        gzip.compress(content) if name.endswith("gz") else content
    )
    corpus = read_corpus(tmp_path / name, seed=0)
    found = {*corpus.calibration, *corpus.held_out}
    assert {source_text(number) for number in range(5)} == found


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.py", b"import os\n", "line 1 is not JSON"),
        ("a.jsonl", b'{"code": "x"}\n', "line 1 has no text 'text'"),
        ("a.jsonl.gz", b"not gzip", "cannot be read"),
    ],
)
def test_names_a_file_that_is_none(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    """A damaged or other file is an error that says what is taken."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(QuantizeError, match=message) as caught:
        read_corpus(tmp_path / name, seed=0)
    assert "JSON lines" in caught.value.remedy
