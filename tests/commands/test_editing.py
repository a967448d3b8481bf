"""A place on the command line is the place that an editor shows."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from lsp_server.client.headless import headless_client
from lsp_server.commands.editing import (
    Place,
    ask_at,
    name_of_model,
    parse_place,
    read_target,
    run_until_signal,
)
from lsp_server.errors import ClientError
from lsp_server.modelstore.locate import shipped_models

SERVERS = Path(__file__).parents[1] / "servers"


@pytest.mark.parametrize(
    ("text", "line", "column", "offset"),
    [
        ("", 1, 1, 0),
        ("abc", 1, 4, 3),
        ("a\nbc", 2, 2, 3),
        ("a\r\nbc\r\n", 2, 3, 5),
        ("a\n", 2, 1, 2),
        ("é🚄x", 1, 3, 2),
        ("a\x0cb\nc", 2, 1, 4),
        ("a\u2028b\x0bc\x1cd\x85e\nf", 2, 2, 11),
        ("a\rb", 2, 2, 3),
    ],
)
def test_lines_and_columns_count_from_one(
    text: str, line: int, column: int, offset: int
) -> None:
    """Line 1, column 1 is the start; a column is a character, not a byte.

    Only LF, CRLF and CR end a line: an editor shows form feeds within one.
    """
    place = Place(path=Path("a.py"), line=line, column=column)
    assert offset == place.offset_in(text)


@pytest.mark.parametrize(
    ("line", "column", "reported"),
    [
        (0, 1, "no line 0; the lines are 1 to 2"),
        (99, 1, "no line 99; the lines are 1 to 2"),
        (-1, 1, "no line -1; the lines are 1 to 2"),
        (1, 0, "no line 1, column 0; its columns are 1 to 3"),
        (1, 4, "no line 1, column 4; its columns are 1 to 3"),
        (2, 2, "no line 2, column 2; its columns are 1 to 1"),
    ],
)
def test_a_place_outside_of_the_file_is_reported(
    line: int, column: int, reported: str
) -> None:
    """The error names the place, and says how many lines or columns there are."""
    place = Place(path=Path("a.py"), line=line, column=column)
    with pytest.raises(ClientError, match=rf"a.py: there is {reported}\."):
        place.offset_in("ab\n")


def test_a_place_is_read_from_the_right() -> None:
    """A colon in the path is part of the path."""
    expected = Place(path=Path("C:/x.py"), line=3, column=4)
    assert expected == parse_place("C:/x.py:3:4")


@pytest.mark.parametrize("text", ["a.py", "a.py:1", "a.py:x:1", ""])
def test_what_is_no_place_is_refused(text: str) -> None:
    """A place needs its three parts."""
    with pytest.raises(ValueError, match=r".*"):
        parse_place(text)


def test_a_byte_order_mark_is_no_column(tmp_path: Path) -> None:
    """Editors leave it out, so column 1 is the first character behind it."""
    path = tmp_path / "a.py"
    path.write_bytes(b"\xef\xbb\xbfx = 1\n")
    target = read_target(Place(path=path, line=1, column=2))
    assert ("x = 1\n", 1) == (target.text, target.offset)


@pytest.mark.parametrize(
    ("name", "language"), [("a.rs", "rust"), ("a.py", "python"), ("a", "plaintext")]
)
async def test_the_server_gets_the_language_of_the_name(
    tmp_path: Path, name: str, language: str
) -> None:
    """A Rust file is completed as Rust, not as Python."""
    (tmp_path / name).write_text("x\n")
    target = read_target(Place(path=tmp_path / name, line=1, column=1))
    command = [sys.executable, str(SERVERS / "language_server.py")]
    async with headless_client(command, stderr_path=tmp_path / "log") as client:
        await client.wait_until_ready(60)
        answer = await ask_at(client, target)
    assert [language] == [suggestion.text for suggestion in answer.suggestions]


@pytest.mark.parametrize(
    ("mode", "is_asked"), [("never", False), ("auto", True), ("require", True)]
)
def test_a_team_server_knows_its_own_models(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str, *, is_asked: bool
) -> None:
    """What is named is looked for on this machine where no team server is asked."""
    monkeypatch.setenv("MIDFILL_DAEMON_URL", "wss://team.example/lsp")
    monkeypatch.setenv("MIDFILL_DAEMON_MODE", mode)
    shipped = next(iter(shipped_models().values()))
    named = str(tmp_path / "theirs")
    (tmp_path / "theirs").symlink_to(shipped)
    expected = named if is_asked else shipped.name
    assert expected == name_of_model(named, None)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_interrupts_and_lets_clear_up(number: signal.Signals) -> None:
    """Whoever ends the command leaves nothing of it behind."""
    cleared: list[str] = []

    async def work() -> None:
        try:
            os.kill(os.getpid(), number)
            await asyncio.Event().wait()
        finally:
            cleared.append("up")

    with pytest.raises(KeyboardInterrupt):
        run_until_signal(work())
    assert ["up"] == cleared
