"""The command builds, reports, and says what is wrong in one line."""

from collections.abc import Callable
from pathlib import Path

import pytest

from training.corpus.__main__ import main


@pytest.fixture
def arguments(
    tmp_path: Path,
    evaluation_data: Path,
    write_wheel: Callable[..., Path],
    make_module: Callable[[int], str],
) -> list[str]:
    """Return a command line that works."""
    archive = write_wheel("alpha", {"a.py": make_module(1), "b.py": ""})
    return [
        "build",
        str(archive),
        "--out",
        str(tmp_path / "corpus"),
        "--evaluation-data",
        str(evaluation_data),
        "--workers",
        "1",
    ]


def test_builds(
    arguments: list[str],
    tmp_path: Path,
    make_module: Callable[[int], str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The report tells the size and what was dropped; progress goes to stderr."""
    assert 0 == main(arguments)
    said = capsys.readouterr()
    assert f"{len(make_module(1)):,} characters" in said.out
    assert "1 files, 0 bytes: too short" in said.out
    assert "1 of 1 sources read" in said.err
    names = {path.name for path in (tmp_path / "corpus").iterdir()}
    assert {"ATTRIBUTION.md", "manifest.json", "train-00000.jsonl.gz"} == names


def test_says_what_is_wrong(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """An error is one line on stderr and a failing status."""
    assert 1 == main([*arguments, "--held-out-share", "7"])
    assert "error: 7.0: the held-out share" in capsys.readouterr().err


@pytest.mark.parametrize("extra", [["--workers", "0"], ["--shard-mib", "-1"]])
def test_refuses_numbers_without_sense(
    arguments: list[str], extra: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Counts are positive."""
    with pytest.raises(SystemExit):
        main([*arguments, *extra])
    assert "is not a whole number of 1 or more" in capsys.readouterr().err


def test_insists_on_evaluation_data(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody builds a contaminated corpus by leaving an option out."""
    place = arguments.index("--evaluation-data")
    with pytest.raises(SystemExit):
        main(arguments[:place] + arguments[place + 2 :])
    assert "--evaluation-data" in capsys.readouterr().err


def test_can_be_interrupted(
    arguments: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An interrupt leaves no half-made corpus."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = set(tmp_path.iterdir())
    monkeypatch.setattr("training.corpus.pipeline.render_attributions", interrupt)
    assert 130 == main(arguments)
    assert before == set(tmp_path.iterdir())
