"""Text is chosen the same way every time, and never both seen and judged."""

from pathlib import Path

import pytest

from lsp_server.errors import QuantizeError
from models.quantize.corpus import read_corpus


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
    with pytest.raises(QuantizeError, match="there are 0 usable Python files"):
        read_corpus(tmp_path, seed=0)
    with pytest.raises(QuantizeError, match="there are 0 usable Python files"):
        read_corpus(tmp_path / "missing", seed=0)
