"""The thread that keeps an index: changes are followed, and failures cost little."""

import logging
import os
import queue
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path, PurePath

import pytest
import watchfiles

sys.path.insert(0, str(Path(__file__).parents[1] / "servers"))

from indexed_workspace import LIMITS

from lsp_server.privacy.path_rules import PathRules
from lsp_server.project.index import watch
from lsp_server.project.index.index_file import index_path
from lsp_server.project.index.indexer import Indexer
from lsp_server.project.index.search import search
from lsp_server.project.index.update import IndexLimits

WAIT_S = 60
Start = Callable[..., Indexer]


class Events(logging.Handler):
    """What the index has logged, as it comes."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: queue.Queue[str] = queue.Queue()
        self.reported: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.WARNING:
            self.reported.append(f"{record.getMessage()}: {vars(record).get('what')}")
        self.waiting.put(record.getMessage())

    def until(self, is_so: Callable[[], object]) -> None:
        """Wait until something is so, looking at every event, and each second."""
        ends_s = time.monotonic() + WAIT_S
        while not is_so():
            assert time.monotonic() < ends_s, self.reported
            with suppress(queue.Empty):
                self.waiting.get(timeout=1)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace with one file, of a user without caches."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "w").mkdir()
    (tmp_path / "w" / "a.py").write_text("alpha = 1\n", encoding="utf-8")
    return tmp_path / "w"


@pytest.fixture
def events() -> Iterator[Events]:
    """What the index logs."""
    handler, logger = Events(), logging.getLogger("lsp_server.project.index.indexer")
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    yield handler
    logger.removeHandler(handler)
    logger.setLevel(logging.NOTSET)


@pytest.fixture
def start(root: Path) -> Iterator[Start]:
    """Start indexers of the workspace; each is closed in the end."""
    started: list[Indexer] = []

    def begin(limits: IndexLimits = LIMITS) -> Indexer:
        indexer = Indexer(
            root, rules=PathRules(), limits=limits, defined_names=lambda *_: ()
        )
        started.append(indexer)
        indexer.start()
        return indexer

    yield begin
    for each in started:
        each.close()
        each.join()


def found(root: Path, word: str) -> list[str]:
    """Return the files with a word."""
    hits = search(index_path(root), [word], kind="python", limit=9)
    return [str(hit.path) for hit in hits]


def test_changes_are_followed(root: Path, start: Start, events: Events) -> None:
    """New, changed and deleted files, also in new folders, and new ignore files."""
    start()
    events.until(lambda: ["a.py"] == found(root, "alpha"))
    (root / "new" / "sub").mkdir(parents=True)
    (root / "new" / "sub" / "b.py").write_text("beta = 1\n", encoding="utf-8")
    events.until(lambda: ["new/sub/b.py"] == found(root, "beta"))
    (root / "new" / "sub" / "b.py").write_text("gamma = 1\n", encoding="utf-8")
    (root / "a.py").unlink()
    events.until(lambda: ["new/sub/b.py"] == found(root, "gamma"))
    events.until(lambda: not found(root, "alpha"))
    (root / ".midfillignore").write_text("new/\n", encoding="utf-8")
    events.until(lambda: not found(root, "gamma"))
    assert [] == events.reported


def test_nobody_else_can_read_it(root: Path, start: Start, events: Events) -> None:
    """Neither the index nor what SQLite has beside it."""
    start()
    events.until(lambda: found(root, "alpha"))
    folder = index_path(root).parent
    assert 0o700 == folder.stat().st_mode & 0o777
    assert {0o600} == {each.stat().st_mode & 0o777 for each in folder.iterdir()}


def damage_whole(path: Path) -> None:
    """Write something else over the file."""
    path.write_bytes(os.urandom(20_000))


def damage_pages(path: Path) -> None:
    """Write something else over what lies behind the header."""
    data = path.read_bytes()
    path.write_bytes(data[:4096] + b"\7" * (len(data) - 4096))


def change_version(path: Path) -> None:
    """Have another version."""
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 999")
    database.close()


def drop_table(path: Path) -> None:
    """Lack a table."""
    with sqlite3.connect(path) as database:
        database.execute("DROP TABLE chunks")
    database.close()


@pytest.mark.parametrize(
    ("harm", "reported"),
    [
        (damage_whole, "it is damaged"),
        (damage_pages, "it is damaged"),
        (drop_table, "it is damaged"),
        (change_version, "it was made by another version"),
    ],
)
def test_an_index_that_cannot_be_used_is_built_anew(
    root: Path,
    start: Start,
    events: Events,
    harm: Callable[[Path], None],
    reported: str,
) -> None:
    """With one message."""
    first = start()
    events.until(lambda: found(root, "alpha"))
    first.close()
    first.join()
    harm(index_path(root))
    (root / "b.py").write_text("beta = 1\n", encoding="utf-8")
    start()
    events.until(lambda: found(root, "alpha") and found(root, "beta"))
    assert [f"index.limited: {reported}"] == events.reported


def test_a_full_disk_costs_the_index_alone(
    root: Path, start: Start, events: Events
) -> None:
    """What is in it stays in use, and a message says what is wrong."""
    for number in range(400):
        text = "".join(f"name_{number}_{line} = 1\n" for line in range(100))
        (root / f"n{number}.py").write_text(text, encoding="utf-8")
    start(replace(LIMITS, index_bytes=1 << 20))
    events.until(lambda: events.reported)
    assert "no more room" in events.reported[0]
    assert ["a.py"] == found(root, "alpha")


def test_more_files_than_the_limit_is_said(
    root: Path, start: Start, events: Events
) -> None:
    """Once, whatever happens later."""
    (root / "b.py").write_text("beta = 1\n", encoding="utf-8")
    start(replace(LIMITS, files=1))
    events.until(lambda: events.reported)
    (root / "c").mkdir()
    events.until(lambda: events.waiting.get(timeout=WAIT_S) == "index.scanned")
    assert ["more than 1 source files" in each for each in events.reported] == [True]


def test_without_watching_saved_files_are_followed(
    root: Path, start: Start, events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where the system has no more watches to give."""

    def refuse(*_folders: Path, **_options: object) -> None:
        raise OSError(28, "OS file watch limit reached")

    monkeypatch.setattr(watchfiles, "watch", refuse)
    indexer = start()
    events.until(lambda: found(root, "alpha") and events.reported)
    assert ["index.limited: its changes cannot be watched"] == events.reported
    (root / "a.py").write_text("delta = 1\n", encoding="utf-8")
    indexer.saved(PurePath("a.py"))
    events.until(lambda: found(root, "delta"))


def test_a_large_tree_is_not_watched(
    start: Start, events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would take the watches of other programs."""
    monkeypatch.setattr(watch, "_MOST_FOLDERS", 0)
    start()
    events.until(lambda: events.reported)
    assert "too many folders" in events.reported[0]


ANOTHER = """
import sys
from pathlib import Path
from lsp_server.privacy.path_rules import PathRules
from lsp_server.project.index.indexer import Indexer
from lsp_server.project.index.update import IndexLimits
limits = IndexLimits(file_bytes=100_000, files=1_000, index_bytes=1 << 26)
Indexer(
    Path(sys.argv[1]), rules=PathRules(), limits=limits, defined_names=lambda *_: ()
).start()
print("started", flush=True)
sys.stdin.read()
"""


def test_two_processes_share_an_index(root: Path, start: Start, events: Events) -> None:
    """One writes, both read; when the one ends the other goes on."""
    with subprocess.Popen(
        [sys.executable, "-c", ANOTHER, root],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as other:
        assert other.stdout is not None
        assert b"started\n" == other.stdout.readline()
        start()
        (root / "b.py").write_text("beta = 1\n", encoding="utf-8")
        other.communicate()
    events.until(lambda: found(root, "alpha") and found(root, "beta"))
    (root / "b.py").write_text("gamma = 1\n", encoding="utf-8")
    events.until(lambda: found(root, "gamma"))
    assert [] == events.reported


def test_a_folder_that_is_not_there_is_waited_for(
    root: Path, start: Start, events: Events
) -> None:
    """With one message; closing ends the wait."""
    root.rename(root.with_name("gone"))
    start()
    events.until(lambda: events.reported)
    assert "cannot be read" in events.reported[0]


def test_what_nobody_used_for_long_is_removed(
    root: Path, start: Start, events: Events
) -> None:
    """The indexes of workspaces of long ago; those of other ones stay."""
    folder = index_path(root).parent
    folder.mkdir(parents=True)
    (folder / "old.sqlite").touch()
    (folder / "recent.sqlite").touch()
    os.utime(folder / "old.sqlite", (1, 1))
    start()
    events.until(lambda: found(root, "alpha"))
    assert not (folder / "old.sqlite").exists()
    assert (folder / "recent.sqlite").exists()
