"""The command says what is wrong in a line, and ends with a status."""

import shutil
from pathlib import Path

import pytest

from models.quantize.__main__ import main


def run(source: Path, output: Path, *more: str) -> int:
    """Run the command in this process."""
    return main([str(source), "--output", str(output), "--family", "midfill", *more])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--group-size", "48"), "the group size 48 cannot run"),
        (("--group-size", "128"), "groups of 128"),
        (
            ("--group-size", "64", "--requirements", "/no/such/folder"),
            "locks of auto-gptq's environment cannot be read",
        ),
    ],
)
def test_tells_what_is_wrong(
    tiny_source: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    options: tuple[str, ...],
    message: str,
) -> None:
    """Status 1, one line on stderr, nothing on stdout, nothing written."""
    environment = tmp_path / "environment"
    status = run(
        tiny_source, tmp_path / "out", "--environment", str(environment), *options
    )
    said = capsys.readouterr()
    assert 1 == status
    assert message in said.err
    assert "" == said.out
    assert not (tmp_path / "out").exists()
    assert not environment.exists()


def test_a_missing_source_costs_no_environment(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What can be known at once is said before 1.5 GB are installed."""
    environment = tmp_path / "environment"
    status = run(tmp_path / "no", tmp_path / "out", "--environment", str(environment))
    assert 1 == status
    assert "config.json is missing" in capsys.readouterr().err
    assert not environment.exists()


@pytest.mark.parametrize("samples", ["0", "-1", "many"])
def test_refuses_numbers_that_are_none(
    tiny_source: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    samples: str,
) -> None:
    """A count that is not positive is a usage error."""
    with pytest.raises(SystemExit) as caught:
        run(tiny_source, tmp_path / "out", "--samples", samples)
    assert 2 == caught.value.code
    assert "--samples" in capsys.readouterr().err


def test_a_worker_that_dies_leaves_nothing(
    tiny_source: Path,
    python_files: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """An environment that is broken is told with its last words."""
    requirements = tmp_path / "requirements"
    requirements.mkdir()
    false = shutil.which("false")
    (requirements / "install.py").write_text(
        "import pathlib, sys\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "(folder / 'bin').mkdir(parents=True)\n"
        f"(folder / 'bin' / 'python').symlink_to({false!r})\n"
    )
    for name in ("quantize.txt", "torch-cpu.txt"):
        (requirements / name).touch()
    output = tmp_path / "home" / "out"
    output.parent.mkdir()
    status = run(
        tiny_source,
        output,
        *("--environment", str(tmp_path / "environment")),
        *("--requirements", str(requirements)),
        *("--calibration", str(python_files)),
    )
    assert 1 == status
    assert "autogptq worker failed with status 1" in capsys.readouterr().err
    assert [] == list(output.parent.iterdir())
