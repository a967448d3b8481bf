"""A model is found by its name or by its folder."""

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import lsp_server
from lsp_server.config import SHIPPED_MODEL
from lsp_server.errors import ModelNotFoundError
from lsp_server.modelstore.locate import (
    is_model_name,
    locate,
    pulled_models_folder,
    shipped_models,
)


def test_finds_the_shipped_model_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name leads to the same absolute folder from every working directory."""
    before = locate(SHIPPED_MODEL)
    monkeypatch.chdir(tmp_path)
    assert before == locate(SHIPPED_MODEL)
    assert before.is_absolute()
    assert (before / "manifest.json").is_file()


def test_a_workspace_cannot_take_the_place_of_a_shipped_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder of that name in the working directory is not what the name means."""
    (tmp_path / SHIPPED_MODEL).mkdir()
    monkeypatch.chdir(tmp_path)
    assert shipped_models()[SHIPPED_MODEL] == locate(SHIPPED_MODEL)
    assert tmp_path / SHIPPED_MODEL == locate(f"./{SHIPPED_MODEL}")


def test_finds_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path is taken as it is: absolute, relative, and from the user's home."""
    folder = tmp_path / "model with spaces ä"
    folder.mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert folder == locate(str(folder))
    assert folder == locate(folder.name)
    assert folder == locate(f"~/{folder.name}")


@pytest.mark.parametrize(
    "name", ["", "no-such-model", "a\0b", "~no-such-user/x", "x" * 300]
)
def test_says_what_there_is(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is not found is named, and the shipped models are listed."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelNotFoundError, match=SHIPPED_MODEL) as caught:
        locate(name)
    assert repr(name) == caught.value.subject


def test_a_file_is_no_model(tmp_path: Path) -> None:
    """A path to a file, such as the weights themselves, is refused."""
    (tmp_path / "model.safetensors").touch()
    with pytest.raises(ModelNotFoundError):
        locate(str(tmp_path / "model.safetensors"))


def test_works_where_the_package_is_installed(tmp_path: Path) -> None:
    """A copy of the package, as a wheel lays it out, finds its own models."""
    package = tmp_path / "lsp_server"
    shutil.copytree(Path(lsp_server.__file__).parent, package)
    model = package / "models" / "installed"
    model.mkdir(parents=True)
    (model / "manifest.json").touch()
    script = (
        "import sys; sys.path.insert(0, sys.argv[1]);"
        "from lsp_server.modelstore.locate import locate; print(locate('installed'))"
    )
    found = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        check=True,
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert f"{model}\n" == found.stdout


@pytest.fixture
def pulled(tmp_path: Path) -> Path:
    """Return a folder of pulled models with one model in it, and what a pull leaves."""
    folder = tmp_path / "pulled"
    for name in ("mine", ".theirs.unfinished", SHIPPED_MODEL):
        (folder / name).mkdir(parents=True)
        (folder / name / "manifest.json").touch()
    (folder / "unfinished").mkdir()
    (folder / "pins.json").touch()
    return folder


def test_finds_a_pulled_model_from_anywhere(
    pulled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its name, as an absolute path, also where its folder is named relatively."""
    assert pulled / "mine" == locate("mine", pulled=pulled)
    monkeypatch.chdir(tmp_path)
    assert pulled / "mine" == locate("mine", pulled=Path("pulled"))


def test_a_workspace_cannot_take_the_place_of_a_pulled_model(
    pulled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder of that name in the working directory needs a path."""
    (tmp_path / "mine").mkdir()
    monkeypatch.chdir(tmp_path)
    assert pulled / "mine" == locate("mine", pulled=pulled)
    assert tmp_path / "mine" == locate("./mine", pulled=pulled)


def test_a_shipped_model_comes_before_a_pulled_one(pulled: Path) -> None:
    """Its name means the same in every installation."""
    assert shipped_models()[SHIPPED_MODEL] == locate(SHIPPED_MODEL, pulled=pulled)


@pytest.mark.parametrize(
    "name", [".theirs.unfinished", "unfinished", "pins.json", "../x"]
)
def test_what_a_pull_leaves_is_no_model(
    name: str, pulled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither hidden nor unfinished folders; the error lists what is there."""
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    with pytest.raises(
        ModelNotFoundError, match=f"models pull.*: {SHIPPED_MODEL}, mine"
    ):
        locate(name, pulled=pulled)


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("/m", Path("/m")),
        ("~/m", Path("/home/me/m")),
        ("", Path("/data/midfill/models")),
        ("~no-such-user/m", None),
    ],
)
def test_the_folder_of_pulled_models(
    setting: str, expected: Path | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The setting wins over the user's folder for data."""
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert expected == pulled_models_folder(setting)


@pytest.mark.parametrize(
    ("name", "is_one"),
    [("qwen2.5-coder_x", True), ("", False), (".x", False), ("a/b", False)],
)
def test_names_are_names_of_visible_folders(name: str, *, is_one: bool) -> None:
    """No path, and nothing hidden."""
    assert is_one == is_model_name(name)


def test_an_unreadable_folder_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model in somebody else's home is a sentence, for the user to mend."""

    def refuse(_path: Path) -> bool:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    # The tests may run as root, who may read everything.
    monkeypatch.setattr(Path, "is_dir", refuse)
    with pytest.raises(ModelNotFoundError, match="Permission denied"):
        locate("/home/other/model")


@pytest.mark.parametrize("folder", ["a\0b", "x" * 300])
def test_no_folder_of_pulled_models_is_none_of_them(folder: str) -> None:
    """A setting that names no folder leaves the shipped models."""
    pulled = pulled_models_folder(folder)
    assert shipped_models()[SHIPPED_MODEL] == locate(SHIPPED_MODEL, pulled=pulled)
