"""The ring knows the keys that hold now, and stays shut where it should."""

import errno
import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from lsp_server.access.key_file import change
from lsp_server.access.key_ring import KeyRing
from lsp_server.access.keys import StoredKey
from lsp_server.errors import KeyFileError

MakeKey = Callable[..., tuple[str, StoredKey]]


def write(path: Path, *keys: StoredKey) -> None:
    """Put keys into the file, as `midfill keys` does."""
    change(path, lambda _: keys)


@pytest.fixture
def now() -> list[float]:
    """Return a clock's reading, in seconds."""
    return [0.0]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where the keys are."""
    return tmp_path / "keys.jsonl"


def ring_of(path: Path, now: Sequence[float] = (0.0,)) -> KeyRing:
    """Load a ring with a clock that stands still."""
    return KeyRing.load(path, {}, clock=lambda: now[0])


def test_a_key_is_its_owners_and_nobody_elses(path: Path, make_key: MakeKey) -> None:
    """Every key of the file is known, and nothing else is."""
    made = [make_key(name=f"user {number}") for number in range(20)]
    write(path, *(stored for _, stored in made))
    ring = ring_of(path)

    assert [stored.key for _, stored in made] == [ring.identify(key) for key, _ in made]
    first, stored = made[0]
    wrong = ["", first[:-1], first + " ", first.upper(), stored.sha256, "\ud800", "é"]
    assert {None} == {ring.identify(each) for each in wrong}


def test_changes_hold_without_a_restart(
    path: Path, now: list[float], make_key: MakeKey
) -> None:
    """A key that is made, changed or revoked is so a second later, and not before."""
    secret, stored = make_key()
    ring = ring_of(path, now)
    assert [False, None] == [ring.required, ring.identify(secret)]
    write(path, stored)
    assert ring.identify(secret) is None

    now[0] = 1.0
    assert stored.key == ring.identify(secret)
    assert ring.required
    write(path, make_key(id=stored.id, sha256=stored.sha256, raw=True)[1])
    now[0] = 2.0
    key = ring.identify(secret)
    assert key is not None
    assert key.raw
    write(path, make_key(id=stored.id, sha256=stored.sha256, revoked="now")[1])
    now[0] = 3.0
    assert ring.identify(secret) is None
    assert ring.required


@pytest.mark.parametrize("spoil", ["remove", "empty", "break"])
def test_a_file_that_is_lost_opens_nothing(
    path: Path, now: list[float], make_key: MakeKey, spoil: str
) -> None:
    """Without its keys a server that had some lets nobody in."""
    secret, stored = make_key()
    write(path, stored)
    ring = ring_of(path, now)
    if spoil == "remove":
        path.unlink()
    else:
        path.write_text("" if spoil == "empty" else stored.line[:-9], encoding="utf-8")
    now[0] = 1.0

    assert ring.identify(secret) is None
    assert ring.required


def test_a_broken_line_costs_itself_alone(
    path: Path,
    make_key: MakeKey,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It is named by its number, never by its content; the others go on working."""
    (ada, stored), (bob, second) = make_key(), make_key()
    broken = '{"id": "k_00000000", "name": "SECRET"'
    lines = ["# comment", stored.line, broken, "", second.line, second.line]
    path.write_text("\n".join(lines), encoding="utf-8")
    path.chmod(0o600)
    with caplog.at_level(logging.WARNING):
        ring = ring_of(path)

    assert (stored.key, second.key) == (ring.identify(ada), ring.identify(bob))
    assert [f"line {number} of {path}" for number in (3, 6)] == [
        problem.subject for problem in ring.problems
    ]
    logged = " ".join(str(vars(record)) for record in caplog.records)
    assert "line 3 of" in logged
    assert not any(text in logged for text in ("SECRET", stored.sha256, "k_0000"))


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
def test_a_file_that_others_may_use_is_refused(
    path: Path, now: list[float], make_key: MakeKey, mode: int
) -> None:
    """At the start it ends the server; later the keys stay as they were."""
    secret, stored = make_key()
    write(path, stored)
    ring = ring_of(path, now)
    path.chmod(mode)

    with pytest.raises(KeyFileError, match="chmod 600"):
        ring_of(path)
    now[0] = 1.0
    assert stored.key == ring.identify(secret)
    assert "chmod 600" in str(ring.problems[0])


def test_what_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    """A named pipe does not hold the server up, nor does a folder."""
    os.mkfifo(tmp_path / "pipe", 0o600)
    for name in ("pipe", "."):
        with pytest.raises(KeyFileError):
            ring_of(tmp_path / name)


def test_the_environment_takes_the_files_place(path: Path, make_key: MakeKey) -> None:
    """Containers have variables; a file is not looked at then."""
    (ada, stored), (bob, second) = make_key(), make_key()
    write(path, second)
    ring = KeyRing.load(path, {"MIDFILL_KEYS": f"{stored.line}\nbroken"})

    assert stored.key == ring.identify(ada)
    assert ring.identify(bob) is None
    assert ["line 2 of MIDFILL_KEYS"] == [each.subject for each in ring.problems]


def test_all_entries_are_compared_whichever_matches(
    path: Path, make_key: MakeKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a match nor its place saves a comparison (fault 31)."""
    made = [make_key() for _ in range(7)]
    write(path, *(stored for _, stored in made))
    ring = ring_of(path)
    compared: list[bytes] = []

    def compare(left: bytes, right: bytes) -> bool:
        compared.append(left)
        return left == right

    monkeypatch.setattr("hmac.compare_digest", compare)
    for presented in (made[0][0], made[6][0], "wrong"):
        compared.clear()
        ring.identify(presented)
        assert [stored.digest for _, stored in made] == compared


def test_a_file_that_could_not_be_read_is_read_again(
    path: Path,
    now: list[float],
    make_key: MakeKey,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Also if it has not changed since: a process may be out of descriptors."""
    secret, stored = make_key()
    write(path, stored)
    ring = ring_of(path, now)
    write(path, make_key(id=stored.id, sha256=stored.sha256, revoked="now")[1])

    def exhausted(*_: object, **__: object) -> int:
        raise OSError(errno.EMFILE, "too many open files")

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", exhausted)
        for second in (1.0, 2.0, 3.0):
            now[0] = second
            assert stored.key == ring.identify(secret)
    assert 1 == caplog.text.count("access.key_unusable")
    now[0] = 4.0
    assert ring.identify(secret) is None
