"""The head of a safetensors file tells whether the file is whole."""

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lsp_server.errors import ModelIntegrityError
from lsp_server.modelstore.safetensors_header import TensorEntry, read_header


def raw_file(path: Path, header: object, data: bytes = b"") -> Path:
    """Write a file with this header."""
    encoded = json.dumps(header).encode()
    path.write_bytes(len(encoded).to_bytes(8, "little") + encoded + data)
    return path


def test_reads_the_tensors(model_folder: Path) -> None:
    """Every tensor is given with its type and shape; metadata is none."""
    expected = {
        "a.weight": TensorEntry(dtype="BF16", shape=(4, 8)),
        "b.weight": TensorEntry(dtype="F16", shape=(3,)),
    }
    assert expected == read_header(model_folder / "model.safetensors")


def test_agrees_with_the_library(tmp_path: Path) -> None:
    """A file of the safetensors library is read as the library wrote it."""
    numpy = pytest.importorskip("numpy")
    library = pytest.importorskip("safetensors.numpy")
    library.save_file(
        {"x": numpy.zeros((2, 3), "float16"), "y": numpy.zeros((5,), "int32")},
        tmp_path / "x.safetensors",
    )
    expected = {
        "x": TensorEntry(dtype="F16", shape=(2, 3)),
        "y": TensorEntry(dtype="I32", shape=(5,)),
    }
    assert expected == read_header(tmp_path / "x.safetensors")


@settings(deadline=None)
@given(st.integers(min_value=0, max_value=300))
def test_notices_every_truncation(kept_bytes: int) -> None:
    """A file cut at any byte, in its length, header or tensors, is refused."""
    entry = {"dtype": "F16", "shape": [100], "data_offsets": [0, 200]}
    with tempfile.TemporaryDirectory() as folder:
        path = raw_file(Path(folder) / "x.safetensors", {"x": entry}, b"\0" * 200)
        content = path.read_bytes()
        path.write_bytes(content[: min(kept_bytes, len(content) - 1)])
        with pytest.raises(ModelIntegrityError):
            read_header(path)


F16 = {"dtype": "F16", "shape": [2], "data_offsets": [0, 4]}


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ([], "is not an object"),
        ({"x": 4}, "the tensor 'x'"),
        ({"x": {**F16, "dtype": "F99"}}, "the tensor 'x'"),
        ({"x": {**F16, "shape": [-2]}}, "the tensor 'x'"),
        ({"x": {**F16, "shape": [True, 2]}}, "the tensor 'x'"),
        ({"x": {**F16, "shape": [3]}}, "the tensor 'x'"),
        ({"x": {**F16, "data_offsets": [0]}}, "the tensor 'x'"),
        ({"x": {**F16, "data_offsets": [4, 8]}}, "do not join at byte 0"),
        ({"x": F16, "y": F16}, "do not join at byte 4"),
        ({}, "holds 4 bytes of tensors where its header needs 0"),
    ],
)
def test_refuses_impossible_headers(
    tmp_path: Path, header: object, message: str
) -> None:
    """Unknown types, wrong sizes, holes and overlaps are refused, not guessed."""
    path = raw_file(tmp_path / "x.safetensors", header, b"\0" * 4)
    with pytest.raises(ModelIntegrityError, match=message):
        read_header(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "truncated"),
        (b"\xff" * 8, "truncated"),
        (b"\4\0\0\0\0\0\0\0nope", "not JSON"),
        (b"\2\0\0\0\0\0\0\0\xff\xfe", "not JSON"),
    ],
)
def test_refuses_other_files(tmp_path: Path, content: bytes, message: str) -> None:
    """What is no safetensors file is refused, whatever it claims to be long."""
    path = tmp_path / "x.safetensors"
    path.write_bytes(content)
    with pytest.raises(ModelIntegrityError, match=message):
        read_header(path)


def test_reports_an_unreadable_file(tmp_path: Path) -> None:
    """A file that is not there is an error of the model, not of the system."""
    with pytest.raises(ModelIntegrityError, match="cannot be read"):
        read_header(tmp_path / "missing.safetensors")
