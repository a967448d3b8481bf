"""A folder is there whole, or nothing is."""

import errno
from pathlib import Path

import pytest

from lsp_server.errors import CorpusError
from lsp_server.modelstore.whole_folder import WholeFolder


@pytest.fixture
def whole(tmp_path: Path) -> WholeFolder:
    """Give a folder that can be made."""
    return WholeFolder(output=tmp_path / "out", holds="corpus", error=CorpusError)


def test_appears_at_the_end(whole: WholeFolder) -> None:
    """Nothing is at its place before, and nothing else is beside it after."""
    whole.check()
    with whole.unfinished() as folder:
        (folder / "made").mkdir()
        (folder / "made" / "file").touch()
        assert whole.output.parent == folder.parent
        assert not whole.output.exists()
        whole.publish(folder / "made")
    assert [whole.output / "file"] == list(whole.output.iterdir())
    assert [whole.output] == list(whole.output.parent.iterdir())


def test_takes_an_empty_folders_place(whole: WholeFolder) -> None:
    """A folder that somebody made beforehand is filled."""
    whole.output.mkdir()
    whole.check()
    with whole.unfinished() as folder:
        (folder / "made").mkdir()
        whole.publish(folder / "made")
    assert whole.output.is_dir()


@pytest.mark.parametrize("fault", [KeyboardInterrupt(), ValueError("x")])
def test_is_not_there_after_a_failure(whole: WholeFolder, fault: BaseException) -> None:
    """What is not an error of the disk passes unchanged."""
    with pytest.raises(type(fault)), whole.unfinished():
        raise fault
    assert [] == list(whole.output.parent.iterdir())


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        (errno.ENOSPC, "Free space on that disk"),
        (errno.EDQUOT, "Free space on that disk"),
        (errno.EACCES, "may be written to"),
    ],
)
def test_a_full_disk_is_told(whole: WholeFolder, code: int, remedy: str) -> None:
    """The remedy says what to do about the disk."""
    with (
        pytest.raises(CorpusError, match="the corpus cannot be written") as caught,
        whole.unfinished(),
    ):
        raise OSError(code, "it failed", "/some/file")
    assert "/some/file" == caught.value.subject
    assert remedy in caught.value.remedy
    assert [] == list(whole.output.parent.iterdir())


def test_a_really_full_disk_is_told(whole: WholeFolder) -> None:
    """The kernel's own error, from the device that is always full."""
    with (
        pytest.raises(CorpusError, match="No space left on device"),
        whole.unfinished(),
        Path("/dev/full").open("wb", buffering=0) as file,
    ):
        file.write(b"x")


def test_refuses_what_is_taken(whole: WholeFolder) -> None:
    """A folder with files, a file, and a place without a parent will not do."""
    whole.output.mkdir()
    (whole.output / "thesis").touch()
    for output, message in (
        (whole.output, "not an empty folder"),
        (whole.output / "thesis", "not an empty folder"),
        (whole.output / "deeper" / "still", "parent folder is missing"),
    ):
        other = WholeFolder(output=output, holds="corpus", error=CorpusError)
        with pytest.raises(CorpusError, match=message):
            other.check()
