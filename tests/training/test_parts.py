"""A folder comes back from its parts as it was, or not at all."""

import gzip
import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsp_server.errors import TrainingError
from training.parts import MIB, join, main, split

NOISE = random.Random(0)  # noqa: S311  # guards nothing


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with weights, text and a shard, of 300 kB that hardly shrink."""
    made = tmp_path / "model"
    made.mkdir()
    (made / "config.json").write_text("{}\n", encoding="utf-8")
    (made / "empty").write_bytes(b"")
    (made / "model.safetensors").write_bytes(NOISE.randbytes(300_000))
    (made / "train-00000.jsonl.gz").write_bytes(gzip.compress(b"text\n", 6, mtime=0))
    return made


def contents(folder: Path) -> dict[str, bytes]:
    """Return every file of a folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_comes_back_from_parts_in_any_order(folder: Path, tmp_path: Path) -> None:
    """No part is larger than asked, and new parts replace older ones."""
    split(folder, tmp_path / "parts", most_bytes=10_000)
    parts = split(folder, tmp_path / "parts", most_bytes=100_000)
    assert 4 == len(parts) == len(list((tmp_path / "parts").iterdir()))
    assert max(path.stat().st_size for path in parts) <= 100_000
    names = join(reversed(parts), tmp_path / "joined")
    assert sorted(names) == sorted(contents(folder))
    assert contents(folder) == contents(tmp_path / "joined")


@given(content=st.binary(max_size=64))
def test_any_weights_come_back(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    """Numbers that are none, headers and odd lengths too."""
    place = tmp_path_factory.mktemp("weights")
    (place / "model").mkdir()
    (place / "model" / "model.safetensors").write_bytes(content)
    split(place / "model", place / "parts")
    join([place / "parts"], place / "joined")
    assert {"model.safetensors": content} == contents(place / "joined")


def test_trained_weights_become_a_third_smaller(tmp_path: Path) -> None:
    """Weights about as far from zero as each other have alike exponents."""
    (tmp_path / "model").mkdir()
    wide = np.random.default_rng(0).normal(0, 0.1, 100_000).astype("<f4")
    halved = (wide.view("<u4") >> 16).astype("<u2").tobytes()
    (tmp_path / "model" / "model.safetensors").write_bytes(halved)
    (part,) = split(tmp_path / "model", tmp_path / "parts")
    assert part.stat().st_size < 0.7 * len(halved)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (lambda parts: parts[1].unlink(), "of 4 parts these are missing: 2"),
        (lambda parts: parts[0].write_bytes(b"x"), "it is no part"),
        (
            lambda parts: parts[0].write_bytes(parts[0].read_bytes()[:-1]),
            "it is damaged",
        ),
        (
            lambda parts: parts[1].write_bytes(other_part(parts[1].parent)),
            "it is a part of another folder",
        ),
    ],
)
def test_says_what_is_wrong_with_parts(
    folder: Path,
    tmp_path: Path,
    fault: "object",
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Nothing is made of them."""
    assert callable(fault)
    parts, joined = tmp_path / "parts", tmp_path / "joined"
    fault(split(folder, parts, most_bytes=100_000))
    assert 1 == main(["join", str(parts), "--out", str(joined)])
    assert message in capsys.readouterr().err
    assert not joined.exists()


def other_part(folder: Path) -> bytes:
    """Return a part of another folder."""
    other = folder.parent / "other"
    other.mkdir()
    (other / "a").write_bytes(b"a")
    (part,) = split(other, folder.parent / "other-parts")
    return part.read_bytes()


def test_command(folder: Path, tmp_path: Path) -> None:
    """Both commands do it, with parts of 16 MiB."""
    parts, joined = tmp_path / "parts", tmp_path / "joined"
    assert 0 == main(["split", str(folder), "--out", str(parts)])
    assert 0 == main(["join", *map(str, parts.iterdir()), "--out", str(joined)])
    assert contents(folder) == contents(joined)
    assert MIB > sum(map(len, contents(parts).values()))


def test_refuses_a_folder_without_files(tmp_path: Path) -> None:
    """As where a run's folder is named instead of its model's."""
    with pytest.raises(TrainingError, match="there is no file in it"):
        split(tmp_path, tmp_path / "parts")
