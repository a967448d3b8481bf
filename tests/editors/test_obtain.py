"""What is said of editors that were obtained, and of those that could not be."""

from pathlib import Path

import pytest
from obtain.catalogue import Editor
from obtain.debian import mirror
from obtain.record import Record, UnobtainableError, program
from obtain.shell import last_words, run


class Downloaded:
    """A source that has always been there."""

    def __str__(self) -> str:
        return "a folder"

    def fetch(self) -> dict[str, str]:
        return {"a.deb": "0" * 64}


def editor(*, says: str, version: str = "1.2.") -> Editor:
    """An editor that says something when it is asked for its version."""
    return Editor(
        name="ed", version=version, source=Downloaded(), script=f"echo '{says}'"
    )


@pytest.mark.parametrize(
    ("targets", "expected"),
    [
        ("http://a.example/debian/\n", "http://a.example/debian"),
        (
            "http://a.example/debian-security\nhttp://b.example/x/debian\n",
            "http://b.example/x/debian",
        ),
    ],
)
def test_archive_is_the_one_that_apt_uses(targets: str, expected: str) -> None:
    """Neither the archive of security fixes nor another vendor's is taken."""
    assert expected == mirror(targets)


def test_machine_without_an_archive_is_reported() -> None:
    """Where apt knows no archive of Debian, that is the reason."""
    with pytest.raises(UnobtainableError, match="no archive of Debian"):
        mirror("https://vendor.example/node_20.x\n")


def test_editor_of_the_wanted_version_is_kept(tmp_path: Path) -> None:
    """Its program stands in bin/, and version and checksums are reported."""
    assert ("1.2.3", {"a.deb": "0" * 64}) == editor(says="ed 1.2.3").obtain(tmp_path)
    assert "ed 1.2.3\n" == run([tmp_path / "bin" / "ed"])


def test_another_version_is_refused(tmp_path: Path) -> None:
    """A suite that moved on gives a reason, and no program."""
    with pytest.raises(UnobtainableError, match=r"1\.2\., and a folder has 1\.3\.0"):
        editor(says="ed 1.3.0").obtain(tmp_path)
    assert not (tmp_path / "bin" / "ed").exists()


def test_missing_editor_says_why(tmp_path: Path) -> None:
    """A test that needs it is skipped with the reason that was kept."""
    with pytest.raises(UnobtainableError, match="make install-editors"):
        program("ed", tmp_path)
    Record(name="ed", recipe="r", reason="npm is not on PATH").write(tmp_path)
    with pytest.raises(UnobtainableError, match="ed cannot be had: npm is not on PATH"):
        program("ed", tmp_path)


def test_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    """Version, checksums and time last until the editor is obtained again."""
    record = Record(
        name="ed", recipe="r", version="1.2.3", seconds=1.5, checksums={"a": "b"}
    )
    record.write(tmp_path)
    assert record == Record.read("ed", tmp_path)
    assert tmp_path / "bin" / "ed" == program("ed", tmp_path)


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("", "it said nothing"),
        ("one\ntwo\n\n", "two"),
        ("npm error code E404\nnpm error log\nbye\n", "npm error code E404"),
        ("Reading...\nE: no such package\n", "E: no such package"),
    ],
)
def test_reason_is_the_tools_own_word(output: str, expected: str) -> None:
    """The first error of apt or npm counts more than the last line."""
    assert expected == last_words(output)


def test_failed_command_is_a_reason() -> None:
    """The reason names the command, its exit status and what it said."""
    with pytest.raises(UnobtainableError, match=r"sh -c .*exit status 3: oh no"):
        run(["sh", "-c", "echo oh no >&2; exit 3"])
