"""Whatever a JSON file holds, reading it gives a value or one kind of error."""

from pathlib import Path

import pytest

from lsp_server.errors import ModelIntegrityError
from lsp_server.modelstore.json_file import read_json


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
def test_tells_what_cannot_be_read(tmp_path: Path, name: str) -> None:
    """A folder, a missing file and a path through a file are told by their place."""
    (tmp_path / "x.json").write_bytes(b"{}")
    with pytest.raises(ModelIntegrityError, match="cannot be read") as caught:
        read_json(tmp_path / name)
    assert str(tmp_path / name) == caught.value.subject
