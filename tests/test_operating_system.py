"""Files that a person names are read or refused at once, and failures have words.

And a user's folders are where XDG says.
"""

import os
import pwd
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from lsp_server.client.documents import read_source
from lsp_server.client.team_server import Route, TeamSettings
from lsp_server.daemon.tls import Certificate
from lsp_server.errors import MidfillError
from lsp_server.modelstore.signing_key import SigningKey
from lsp_server.operating_system import open_regular, reason_of, user_folder
from lsp_server.raw_settings import toml_values

READERS: dict[str, Callable[[Path], object]] = {
    "settings": toml_values,
    "source": read_source,
    "API key": lambda path: Route.of(
        TeamSettings(url="wss://localhost/lsp", key_file=str(path), ca_file="")
    ),
    "certificates": lambda path: Route.of(
        TeamSettings(url="wss://localhost/lsp", key_file="", ca_file=str(path))
    ),
    "TLS": lambda path: Certificate(str(path), ""),
    "signing key": SigningKey.read,
}


@pytest.mark.parametrize("kind", [os.mkfifo, Path.mkdir])
@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
def test_what_is_no_file_is_refused_at_once(
    tmp_path: Path, kind: Callable[..., None], reader: Callable[[Path], object]
) -> None:
    """Nobody writes into the pipe, so a reader would wait for ever."""
    path = tmp_path / "named"
    kind(path, mode=0o700)
    with pytest.raises(MidfillError, match=r"it is a (pipe or a device|folder)"):
        reader(path)


def test_a_regular_file_is_opened_also_behind_a_link(tmp_path: Path) -> None:
    """As settings are that a tool for dotfiles has linked."""
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to("file")
    with open_regular(tmp_path / "link") as file:
        assert b"x" == file.read()


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ConnectionRefusedError(111, "Connection refused"), "Connection refused"),
        (socket.gaierror(-2, "Name or service not known"), "Name or service not known"),
        (TimeoutError(), "it took too long"),
        (EOFError(), "the connection broke off"),
        (OSError("it answers 502, Bad Gateway"), "it answers 502, Bad Gateway"),
        (
            ssl.SSLError(1, "[SSL: WRONG_VERSION] wrong version (_ssl.c:1006)"),
            "wrong version",
        ),
        (RuntimeError("[Errno -2] Name not known"), "Name not known"),
    ],
)
def test_a_failure_is_put_into_words(error: Exception, words: str) -> None:
    """Without the numbers and brackets of Python."""
    assert words == reason_of(error)


@pytest.fixture
def no_variables(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Take the variables away that place the user's folders."""
    for name in ("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.mark.parametrize("relative", ["", "x", "~/x"])
def test_user_folders_are_where_xdg_says(
    no_variables: pytest.MonkeyPatch, relative: str
) -> None:
    """An absolute XDG folder, else the default in the user's home."""
    no_variables.setenv("HOME", "/home/me")
    no_variables.setenv("XDG_DATA_HOME", "/d")
    no_variables.setenv("XDG_CACHE_HOME", relative)
    assert Path("/d/midfill") == user_folder("data")
    assert Path("/home/me/.cache/midfill") == user_folder("cache")
    assert Path("/home/me/.config/midfill") == user_folder("config")


def test_a_user_without_a_home_has_no_folder(no_variables: pytest.MonkeyPatch) -> None:
    """As in many containers: neither ``HOME`` nor an entry in the list of users."""

    def unknown(_number: int) -> None:
        raise KeyError("getpwuid(): uid not found")

    no_variables.setattr(pwd, "getpwuid", unknown)
    no_variables.setenv("XDG_CACHE_HOME", "relative")
    assert user_folder("cache") is None
    assert user_folder("data") is None
    no_variables.setenv("HOME", "")
    assert user_folder("config") is None
