"""What is written appears whole or not at all; damage of what is read is reported."""

import errno
import gzip
from pathlib import Path

import pytest

from lsp_server.errors import CorpusError
from lsp_server.files import (
    JsonLinesWriter,
    WholeFolder,
    atomic_write,
    atomic_write_text,
    read_json_lines,
    read_lines,
)


@pytest.fixture
def whole(tmp_path: Path) -> WholeFolder:
    """Return a folder that can be made."""
    return WholeFolder(output=tmp_path / "out", holds="corpus", error=CorpusError)


def test_a_file_changes_at_once(tmp_path: Path) -> None:
    """Until the block ends the old content is there; after it, only the new file."""
    path = tmp_path / "file.json"
    atomic_write_text(path, "old")
    with atomic_write(path) as file:
        file.write("né".encode())
        assert "old" == path.read_text()
    assert "né" == path.read_text(encoding="utf-8")
    assert [path] == list(tmp_path.iterdir())
    (tmp_path / "plain").touch()
    assert (tmp_path / "plain").stat().st_mode == path.stat().st_mode


@pytest.mark.parametrize("fault", [KeyboardInterrupt(), OSError(28, "full")])
def test_a_failure_leaves_the_old_file(tmp_path: Path, fault: BaseException) -> None:
    """The exception passes unchanged, and nothing is left beside the file."""
    path = tmp_path / "file.json"
    path.write_text("old")

    def fail() -> None:
        with atomic_write(path) as file:
            file.write(b"half")
            raise fault

    with pytest.raises(type(fault)):
        fail()
    assert [path] == list(tmp_path.iterdir())
    assert "old" == path.read_text()


def test_a_full_disk_at_the_end_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is asked to keep the new content before it takes the old one's place."""

    def fill_the_disk(_number: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    path = tmp_path / "file.json"
    path.write_text("old")
    monkeypatch.setattr("os.fsync", fill_the_disk)
    with pytest.raises(OSError, match="No space"):
        atomic_write_text(path, "new")
    assert [path] == list(tmp_path.iterdir())
    assert "old" == path.read_text()


def test_a_folder_appears_at_the_end(whole: WholeFolder) -> None:
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


def test_a_folder_takes_an_empty_ones_place(whole: WholeFolder) -> None:
    """A folder that somebody made beforehand is filled."""
    whole.output.mkdir()
    whole.check()
    with whole.unfinished() as folder:
        (folder / "made").mkdir()
        whole.publish(folder / "made")
    assert whole.output.is_dir()


def test_only_replace_takes_a_full_folders_place(whole: WholeFolder) -> None:
    """An older folder stays, unless it is to be replaced; then nothing of it does."""
    whole.output.mkdir()
    (whole.output / "old").touch()

    def publish() -> None:
        with whole.unfinished() as folder:
            (folder / "made").mkdir()
            whole.publish(folder / "made")

    with pytest.raises(CorpusError, match="not empty"):
        publish()
    assert [whole.output / "old"] == list(whole.output.iterdir())
    with whole.unfinished() as folder:
        (folder / "made").mkdir()
        whole.replace(folder / "made")
    assert [] == list(whole.output.iterdir())
    assert [whole.output] == list(whole.output.parent.iterdir())


@pytest.mark.parametrize("fault", [KeyboardInterrupt(), ValueError("x")])
def test_no_folder_after_a_failure(whole: WholeFolder, fault: BaseException) -> None:
    """What is not an error of the disk passes unchanged."""
    with pytest.raises(type(fault)), whole.unfinished():
        raise fault
    assert [] == list(whole.output.parent.iterdir())


def test_a_resumable_folder_outlives_a_failure(whole: WholeFolder) -> None:
    """The next try finds what there was; a second one at the same time is refused."""

    def begin() -> None:
        with whole.resumable() as folder:
            (folder / "made").mkdir()
            with whole.resumable():
                pass

    with pytest.raises(CorpusError, match="another process"):
        begin()
    assert not whole.output.exists()
    with whole.resumable() as folder:
        whole.publish(folder / "made")
    assert [whole.output] == list(whole.output.parent.iterdir())


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        (errno.ENOSPC, "Free space on that disk"),
        (errno.EDQUOT, "Free space on that disk"),
        (errno.EACCES, "may be written to"),
    ],
)
def test_disk_errors_are_reported(whole: WholeFolder, code: int, remedy: str) -> None:
    """The remedy says what to do about the disk."""
    with (
        pytest.raises(CorpusError, match="the corpus cannot be written") as caught,
        whole.unfinished(),
    ):
        raise OSError(code, "it failed", "/some/file")
    assert "/some/file" == caught.value.subject
    assert remedy in caught.value.remedy
    assert [] == list(whole.output.parent.iterdir())


def test_a_really_full_disk_is_reported(whole: WholeFolder) -> None:
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


def test_json_lines_come_back(tmp_path: Path) -> None:
    """Rows and raw lines are read as written, whatever line ends their texts hold."""
    path, copy = tmp_path / "a.jsonl.gz", tmp_path / "b.jsonl.gz"
    rows: list[dict[str, object]] = [
        {"text": "a\r\nb\rc\u2028\x0c"},
        {"text": "é\ud800", "n": 1},
    ]
    with JsonLinesWriter(path, level=1) as writer:
        sizes = [writer.write(row) for row in rows]
    lines = list(read_lines(path))
    assert sizes == [len(line.encode()) for line in lines]
    with JsonLinesWriter(copy) as writer:
        for line in lines:
            writer.write_line(line)
    (tmp_path / "c.jsonl").write_text("".join(lines))
    for each in (path, copy, tmp_path / "c.jsonl"):
        assert rows == list(
            read_json_lines(each, error=CorpusError, remedy="r", texts=["text"])
        )


def test_only_a_line_feed_ends_a_row(tmp_path: Path) -> None:
    """A carriage return is white space to JSON, and so are those of other systems."""
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"a":\r1}\r\n{"a": 2}')
    rows = list(read_json_lines(path, error=CorpusError, remedy="r"))
    assert [{"a": 1}, {"a": 2}] == rows


def test_json_lines_are_the_same_bytes(tmp_path: Path) -> None:
    """Neither a file's name nor the time is in it."""
    for name in ("one.gz", "other.gz"):
        with JsonLinesWriter(tmp_path / name) as writer:
            writer.write({"a": 1})
    content = (tmp_path / "one.gz").read_bytes()
    assert content == (tmp_path / "other.gz").read_bytes()
    assert bytes(4) == content[4:8]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(None, "cannot be read .No such file", id="missing"),
        pytest.param(b"{}\n", "read .it is no whole gzip", id="no gzip"),
        pytest.param(
            gzip.compress(b'{"a": "b"}\n' * 99)[:-12],
            "no whole gzip file",
            id="cut short",
        ),
        pytest.param(
            gzip.compress(b"{}")[:10] + b"\xff" * 9, "no whole gzip file", id="broken"
        ),
        pytest.param(
            gzip.compress(b'{"a": ""}\n{oops}\n'), "line 2 is not JSON", id="no JSON"
        ),
        pytest.param(gzip.compress(b"\n"), "line 1 is not JSON", id="blank"),
        pytest.param(gzip.compress(b"[1]\n"), "line 1 is not a JSON obj", id="list"),
        pytest.param(gzip.compress(b'{"a": 1}\n'), "line 1 has no text 'a'", id="no"),
        pytest.param(gzip.compress(b"\xff\n"), "not UTF-8", id="no UTF-8"),
        pytest.param(gzip.compress(b"[" * 100_000), "line 1 is not JSON", id="deep"),
    ],
)
def test_damaged_json_lines_are_reported(
    tmp_path: Path, content: bytes | None, message: str
) -> None:
    """Whatever is wrong with a file, the error names it and its line."""
    path = tmp_path / "data.jsonl.gz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CorpusError, match=message) as caught:
        list(read_json_lines(path, error=CorpusError, remedy="r", texts=["a"]))
    assert str(path) == caught.value.subject
    assert "r" == caught.value.remedy
