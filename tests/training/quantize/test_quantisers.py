"""Quantisers are found, and auto-gptq's environment is made once and completely."""

import subprocess
import sys
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import pytest

from lsp_server.errors import QuantizeError
from training.quantize.quantisers import (
    GPTQMODEL,
    default_environment,
    default_requirements,
    ensure_environment,
    find_installation,
)

INSTALLER = """
import pathlib, sys
folder = pathlib.Path(sys.argv[1])
print("installing", sys.argv[2])
(folder / "bin").mkdir(parents=True, exist_ok=True)
(folder / "pyvenv.cfg").touch()
(folder / "bin" / "python").write_text("")
if (pathlib.Path(__file__).parent / "fail").exists():
    sys.exit("no such package")
"""


@pytest.fixture
def requirements(tmp_path: Path) -> Path:
    """Return a folder of locks whose installer needs no network."""
    folder = tmp_path / "requirements"
    folder.mkdir()
    (folder / "install.py").write_text(INSTALLER)
    (folder / "quantize.txt").write_text("auto-gptq==0.7.1\n")
    (folder / "torch-cpu.txt").write_text("torch==2.13.0+cpu\n")
    return folder


class Listener:
    """Keeps what was said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def __call__(self, line: str, /) -> None:
        self.lines.append(line)

    @property
    def installs(self) -> int:
        """How often the installer ran."""
        return self.lines.count("installing quantize")


def test_is_made_once(tmp_path: Path, requirements: Path) -> None:
    """The first call says what goes where; the second installs nothing."""
    said = Listener()
    folder = tmp_path / "deep" / "environment"
    for _ in range(2):
        python = ensure_environment(folder, requirements=requirements, progress=said)
        assert folder / "bin" / "python" == python
    assert 1 == said.installs
    assert f"installing auto-gptq into {folder} (once, about 1.5 GB)" == said.lines[0]
    assert f"using the environment in {folder}" == said.lines[-1]


@pytest.mark.parametrize("changed", ["install.py", "quantize.txt", "torch-cpu.txt"])
def test_follows_the_lock(tmp_path: Path, requirements: Path, changed: str) -> None:
    """A changed lock brings the environment up to date."""
    said = Listener()
    folder = tmp_path / "environment"
    ensure_environment(folder, requirements=requirements, progress=said)
    with (requirements / changed).open("a") as file:
        file.write("# changed\n")
    ensure_environment(folder, requirements=requirements, progress=said)
    assert 2 == said.installs


def test_a_half_made_one_is_finished(tmp_path: Path, requirements: Path) -> None:
    """After a failed installation the next call installs, and does not trust."""
    said = Listener()
    folder = tmp_path / "environment"
    (requirements / "fail").touch()
    with pytest.raises(QuantizeError, match="the installation of auto-gptq failed"):
        ensure_environment(folder, requirements=requirements, progress=said)
    (requirements / "fail").unlink()
    ensure_environment(folder, requirements=requirements, progress=said)
    assert 2 == said.installs


@pytest.mark.parametrize("damage", ["stamp", "python"])
def test_a_damaged_one_is_repaired(
    tmp_path: Path, requirements: Path, damage: str
) -> None:
    """An unreadable stamp or a missing interpreter is no environment."""
    said = Listener()
    folder = tmp_path / "environment"
    python = ensure_environment(folder, requirements=requirements, progress=said)
    if damage == "stamp":
        (folder / ".midfill-environment.json").write_text("{")
    else:
        python.unlink()
    ensure_environment(folder, requirements=requirements, progress=said)
    assert 2 == said.installs


def test_takes_over_what_make_installed(tmp_path: Path, requirements: Path) -> None:
    """A virtual environment without our stamp is brought up to date, not refused."""
    folder = tmp_path / "environment"
    folder.mkdir()
    (folder / "pyvenv.cfg").touch()
    ensure_environment(folder, requirements=requirements, progress=Listener())


def test_never_installs_over_something_else(tmp_path: Path, requirements: Path) -> None:
    """A folder of the user's files, or a file, is left alone."""
    folder = tmp_path / "thesis"
    folder.mkdir()
    (folder / "thesis.txt").touch()
    for place in (folder, folder / "thesis.txt"):
        with pytest.raises(QuantizeError, match="is no virtual environment"):
            ensure_environment(place, requirements=requirements, progress=Listener())
    assert ["thesis.txt"] == [path.name for path in folder.iterdir()]


def test_names_a_missing_lock(tmp_path: Path, requirements: Path) -> None:
    """Without its locks nothing is made, and the missing file is named."""
    (requirements / "quantize.txt").unlink()
    with pytest.raises(QuantizeError, match=r"quantize\.txt"):
        ensure_environment(
            tmp_path / "environment", requirements=requirements, progress=Listener()
        )
    assert not (tmp_path / "environment").exists()


def test_tells_of_a_place_that_cannot_be_written(requirements: Path) -> None:
    """A folder that cannot be made is an error with a remedy, not a traceback."""
    with pytest.raises(QuantizeError, match="cannot be written"):
        ensure_environment(
            Path("/proc/midfill/environment"),
            requirements=requirements,
            progress=Listener(),
        )


def test_tells_of_a_stamp_that_cannot_be_written(
    tmp_path: Path, requirements: Path
) -> None:
    """An environment whose making cannot be noted down is not called good."""
    in_the_way = "(folder / '.midfill-environment.json').mkdir()\n"
    (requirements / "install.py").write_text(INSTALLER + in_the_way)
    with pytest.raises(QuantizeError, match="cannot be written"):
        ensure_environment(
            tmp_path / "environment", requirements=requirements, progress=Listener()
        )


def test_two_at_once_install_once(tmp_path: Path, requirements: Path) -> None:
    """The second of two commands waits, and finds the environment finished."""
    script = (
        "import sys, pathlib\n"
        "from training.quantize.quantisers import ensure_environment as e\n"
        "e(pathlib.Path(sys.argv[1]), requirements=pathlib.Path(sys.argv[2]),"
        " progress=print)"
    )
    command: list[str | Path] = [
        sys.executable,
        "-c",
        script,
        tmp_path / "environment",
        requirements,
    ]
    both = [
        subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            text=True,
            cwd=default_requirements().parent,
        )
        for _ in range(2)
    ]
    output = "".join(process.communicate()[0] for process in both)
    assert [0, 0] == [process.returncode for process in both]
    assert 1 == output.count("installing quantize")


def test_the_defaults_are_the_repositorys() -> None:
    """The command and `make install-quantize` mean the same environment."""
    root = Path(__file__).parents[3]
    assert root / ".venv-quantize" == default_environment()
    assert root / "requirements" == default_requirements()


PYTHON = Path(sys.executable)


def test_finds_what_is_there() -> None:
    """The version is the installed one."""
    tool = replace(GPTQMODEL, name="pytest", version=version("pytest"))
    found = find_installation(tool, PYTHON)
    assert (tool, PYTHON, version("pytest")) == (
        found.tool,
        found.python,
        found.version,
    )


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no-such-quantiser", "no-such-quantiser is not installed, and 7.6.0 is"),
        ("pytest", f"pytest is version {version('pytest')}, and 7.6.0 is needed"),
    ],
)
def test_tells_how_to_install(name: str, message: str) -> None:
    """Missing or of another version: the exact command is in the error."""
    with pytest.raises(QuantizeError, match=message) as caught:
        find_installation(replace(GPTQMODEL, name=name), PYTHON)
    assert "`make install-gptqmodel`" in caught.value.remedy


def test_a_python_that_is_none_is_reported(tmp_path: Path) -> None:
    """A wrong --python is named."""
    with pytest.raises(QuantizeError, match="cannot be started"):
        find_installation(GPTQMODEL, tmp_path / "python")
