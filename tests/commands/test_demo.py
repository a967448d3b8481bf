"""The shipped examples are marked where they should be."""

from pathlib import Path

import pytest

from lsp_server.commands.demo import read_cursors
from lsp_server.errors import ClientError

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


def test_the_shipped_cursors_cover_what_users_meet() -> None:
    """There are at least five, among them each kind that the README promises."""
    cursors = read_cursors(EXAMPLES)
    assert 5 <= len(cursors)
    lines = []
    for cursor in cursors:
        text = cursor.place.path.read_text(encoding="utf-8")
        offset = cursor.place.offset_in(text)
        start = text.rfind("\n", 0, offset) + 1
        lines.append((text[start:offset], text[offset:].split("\n")[0]))
    assert any(before.strip() and not after for before, after in lines)
    assert any(before.strip() and after.strip() for before, after in lines)
    assert any(before and not before.strip() and not after for before, after in lines)
    assert any(
        before.endswith("(") and after.startswith(")") for before, after in lines
    )
    assert any(not (before + after).isascii() for before, after in lines)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (None, "No such file"),
        ("[[cursor]]\nabout = 'x'\n", "number 1 needs file, a text"),
        ("no", "not TOML"),
        ("cursor = 3\n", r"no \[\[cursor\]\]"),
        ("[x]\n", r"no \[\[cursor\]\]"),
    ],
)
def test_a_folder_without_cursors_is_reported(
    tmp_path: Path, content: str | None, what: str
) -> None:
    """The message names the file and says what to do."""
    path = tmp_path / "cursors.toml"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ClientError, match=what) as caught:
        read_cursors(tmp_path)
    assert str(path) == caught.value.subject
