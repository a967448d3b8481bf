"""Whatever a file holds, reading it gives a value or an error that names it."""

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from lsp_server.errors import ModelIntegrityError
from lsp_server.modelstore.model_files import (
    ShapeError,
    TensorEntry,
    is_inside,
    matching,
    read_header,
    read_json,
    validate,
)


@pytest.mark.parametrize(
    ("content", "expected"),
    [(b"{}", {}), (b"[1]", [1]), (b"null", None), (b'"\xc3\xa9"', "é")],
)
def test_reads_any_json(tmp_path: Path, content: bytes, expected: object) -> None:
    """What is JSON comes back, whatever its kind: the caller judges it."""
    path = tmp_path / "x.json"
    path.write_bytes(content)
    assert expected == read_json(path)


@pytest.mark.parametrize("name", ["", "missing.json", "x.json/y.json"])
def test_reports_what_cannot_be_read(tmp_path: Path, name: str) -> None:
    """A folder, a missing file and a path through a file are named in the error."""
    (tmp_path / "x.json").write_bytes(b"{}")
    with pytest.raises(ModelIntegrityError, match="cannot be read") as caught:
        read_json(tmp_path / name)
    assert str(tmp_path / name) == caught.value.subject


@dataclass(frozen=True, slots=True, kw_only=True)
class Inner:
    flag: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Outer:
    text: str
    number: int
    inner: Inner | None
    many: Mapping[str, Inner]
    row: tuple[Inner, ...]
    digits: Annotated[str, matching("[0-9]+", "made of digits")] = "0"


OUTER = TypeAdapter(Outer)
GOOD: dict[str, object] = {
    "text": "a",
    "number": 4,
    "inner": {"flag": True},
    "many": {"x": {"flag": False}},
    "row": [{"flag": True}, {"flag": False}],
}


def test_makes_what_fits() -> None:
    """Nested objects, lists, mappings and nulls become what is asked for."""
    expected = Outer(
        text="a",
        number=4,
        inner=Inner(flag=True),
        many={"x": Inner(flag=False)},
        row=(Inner(flag=True), Inner(flag=False)),
    )
    assert expected == validate(OUTER, GOOD)
    assert validate(OUTER, {**GOOD, "inner": None}).inner is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"text": 4}, "the key 'text' is not a text"),
        ({"text": None}, "the key 'text' is not a text"),
        ({"text": "\ud800"}, "it cannot be decoded (unexpected end of hex"),
        ({"number": "4"}, "the key 'number' is not a whole number"),
        ({"number": True}, "the key 'number' is not a whole number"),
        ({"number": 4.0}, "the key 'number' is not a whole number"),
        ({"inner": {"flag": 1}}, "the key 'inner.flag' is not true or false"),
        ({"inner": {}}, "the key 'inner.flag' is missing"),
        ({"inner": []}, "the key 'inner' is not an object"),
        ({"many": []}, "the key 'many' is not an object"),
        ({"many": {"x": {"flag": 0}}}, "the key 'many.x.flag' is not true or false"),
        ({"many": {"x": None}}, "the key 'many.x' is not an object"),
        ({"row": {}}, "the key 'row' is not a list"),
        ({"row": [{"flag": True}, 3]}, "the key 'row[1]' is not an object"),
        ({"row": [{"flag": 1}]}, "the key 'row[0].flag' is not true or false"),
        ({"digits": "4\n"}, "the key 'digits' is not made of digits"),
        ({"more": 1}, "the key 'more' is unknown"),
    ],
)
def test_names_the_key(change: dict[str, object], message: str) -> None:
    """Nothing is converted, skipped or made up; the error names the path of keys."""
    with pytest.raises(ShapeError) as caught:
        validate(OUTER, {**GOOD, **change})
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("raw", [None, [], "text", 4])
def test_refuses_other_things_than_objects(raw: object) -> None:
    """A manifest that is a list or a number is none."""
    with pytest.raises(ShapeError, match="it is not an object"):
        validate(OUTER, raw)


@pytest.mark.parametrize(
    ("name", "inside"),
    [
        ("model.safetensors", True),
        ("deep/er/x.json", True),
        ("..x", True),
        ("a..b/c", True),
        ("", False),
        (".", False),
        ("..", False),
        ("./x", False),
        ("x/", False),
        ("x//y", False),
        ("x/./y", False),
        ("../x", False),
        ("x/../y", False),
        ("x/..", False),
        ("/etc/passwd", False),
        ("//host/share", False),
        ("C:x", False),
        ("C:/x", False),
        ("x\\..\\y", False),
        ("\\x", False),
        ("x\0y", False),
    ],
)
def test_knows_what_lies_inside(name: str, inside: bool) -> None:  # noqa: FBT001  # a table's column
    """Only a plain relative path, on every system, is inside."""
    assert inside == is_inside(name)


@settings(deadline=None)
@given(st.text(alphabet="./\\ab:\0", max_size=12))
def test_nothing_inside_leads_out(name: str) -> None:
    """Whatever `is_inside` lets through stays below the folder."""
    if is_inside(name):
        base = Path("/base")
        assert Path(os.path.normpath(base / name)).is_relative_to(base)
        assert Path(os.path.normpath(base / name)) != base


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
