"""`midfill keys` makes keys that servers know, and shows each of them once."""

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lsp_server.access.key_ring import KeyRing
from lsp_server.access.keys import KeyLimits, Route
from lsp_server.commands import entry


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the key file that the settings name, in a folder that is not there yet."""
    path = tmp_path / "midfill" / "keys.jsonl"
    monkeypatch.setenv("MIDFILL_ACCESS_KEYS_FILE", str(path))
    monkeypatch.delenv("MIDFILL_KEYS", raising=False)
    return path


Output = pytest.CaptureFixture[str]


def midfill_keys(*words: str) -> int:
    """Run the command in this process."""
    return entry.main(["keys", *words])


def test_a_new_key_is_shown_once_and_works(file: Path, capsys: Output) -> None:
    """It allows what was asked for; stdout holds the key and nothing else."""
    words = "--rate 2.5 --burst 9 --concurrency 3 --tokens-per-day 1000 --raw"
    chosen = "--route lsp --route infill --model small"
    assert 0 == midfill_keys("create", "Ada", *words.split(), *chosen.split())
    made = capsys.readouterr()
    secret = made.out.strip()

    key = KeyRing.load(file, {}).identify(secret)
    assert key is not None
    assert ("Ada", True, ("small",)) == (key.name, key.raw, key.models)
    assert (Route.LSP, Route.INFILL) == key.routes
    limits = KeyLimits(requests_per_s=2.5, burst=9, concurrent=3, tokens_per_day=1000)
    assert limits == key.limits
    assert 0o600 == file.stat().st_mode & 0o777
    assert 0o700 == file.parent.stat().st_mode & 0o777

    for words in ("list", "list --json"):
        assert 0 == midfill_keys(*words.split())
        listed = capsys.readouterr().out
        assert key.key_id in listed
        assert not re.search("[0-9a-f]{33}", listed)
    stored = json.loads(file.read_text(encoding="utf-8"))
    assert secret.removeprefix("midfill_") not in made.err + json.dumps(stored)


def test_a_revoked_key_is_none_and_stays_in_the_list(
    file: Path, capsys: Output
) -> None:
    """Its id stands in old logs, so it is still known; its name is free again."""
    midfill_keys("create", "ada")
    secret = capsys.readouterr().out.strip()
    assert 1 == midfill_keys("create", "ada")
    assert "Revoke it first" in capsys.readouterr().err
    assert 0 == midfill_keys("revoke", "ada")
    assert KeyRing.load(file, {}).identify(secret) is None
    midfill_keys("list")
    assert "revoked 20" in capsys.readouterr().out
    assert 0 == midfill_keys("create", "ada")

    assert 1 == midfill_keys("revoke", "bob")
    assert "no such key" in capsys.readouterr().err


def test_lines_that_are_not_keys_survive(file: Path, capsys: Output) -> None:
    """Comments, broken lines and those of a newer version are left as they are."""
    midfill_keys("create", "ada")
    others = ["# staff", '{"id": "k_broken', "", '{"id": "k_00000000", "new": 1}']
    with file.open("a", encoding="utf-8") as lines:
        lines.write("\n".join(others))
    assert 0 == midfill_keys("create", "bob")
    assert 0 == midfill_keys("revoke", "ada")

    ada, *middle, bob = file.read_text(encoding="utf-8").splitlines()
    assert others == middle
    assert ("ada", "bob") == (json.loads(ada)["name"], json.loads(bob)["name"])
    assert "revoked" in json.loads(ada)
    assert "line 3 of" not in capsys.readouterr().out


def test_two_at_once_lose_nothing(file: Path) -> None:
    """Ten processes make a key each, and all of them hold."""
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "lsp_server", "keys", "create", f"user {number}"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for number in range(10)
    ]
    secrets = [process.communicate()[0].strip() for process in running]
    ring = KeyRing.load(file, {})

    names = {key.name for each in secrets if (key := ring.identify(each))}
    assert {f"user {number}" for number in range(10)} == names
    assert () == ring.problems


def test_a_key_for_elsewhere_is_not_stored(
    file: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its line goes into a container's variable."""
    assert 0 == midfill_keys("create", "ada", "--line")
    made = capsys.readouterr()
    assert not file.exists()
    ring = KeyRing.load(file, {"MIDFILL_KEYS": made.err})
    assert ring.identify(made.out.strip())

    monkeypatch.setenv("MIDFILL_KEYS", made.err)
    midfill_keys("create", "bob")
    assert "reads it instead of the file" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["", "two\nlines", "\x1b[2J", "x" * 65])
def test_a_name_must_be_printable(file: Path, capsys: Output, name: str) -> None:
    """It stands in lists and logs; nothing is stored."""
    assert 1 == midfill_keys("create", name)
    error = capsys.readouterr().err
    assert "1 to 64 letters" in error
    assert "until then" not in error
    assert not file.exists()


@pytest.mark.usefixtures("file")
def test_what_a_terminal_would_obey_is_spelt_out(
    tmp_path: Path, capsys: Output
) -> None:
    """Here in the name of a settings file, which a warning repeats."""
    assert 0 == midfill_keys("list", "--config", str(tmp_path / "\x1b[2J.toml"))
    assert r"\x1b[2J.toml: the configuration file" in capsys.readouterr().err


def test_a_file_that_others_read_is_left_alone(file: Path, capsys: Output) -> None:
    """Nothing is added to a file whose keys may be known."""
    midfill_keys("create", "ada")
    before = file.read_text(encoding="utf-8")
    file.chmod(0o644)
    for words in (["create", "bob"], ["list"], ["revoke", "ada"]):
        assert 1 == midfill_keys(*words)
        assert f"chmod 600 {file}" in capsys.readouterr().err
    assert before == file.read_text(encoding="utf-8")


def test_a_key_may_end_by_itself(
    file: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The list says when, and its name is free again once it has ended."""
    assert 0 == midfill_keys("create", "ada", "--days", "30")
    secret = capsys.readouterr().out.strip()
    assert KeyRing.load(file, {}).identify(secret) is not None
    midfill_keys("list")
    assert " until 20" in capsys.readouterr().out

    later_s = time.time() + 30 * 86_400
    monkeypatch.setattr("time.time", lambda: later_s)
    midfill_keys("list")
    assert " expired 20" in capsys.readouterr().out
    assert 0 == midfill_keys("create", "ada")
    assert 0 == midfill_keys("revoke", "ada")


def test_a_key_ends_within_a_century(file: Path, capsys: Output) -> None:
    """Beyond that no time can be written down."""
    with pytest.raises(SystemExit):
        midfill_keys("create", "ada", "--days", "36501")
    assert "more than 36500" in capsys.readouterr().err
    assert not file.exists()
