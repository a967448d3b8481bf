"""What was measured of a model gets into its manifest, and no wrong word does."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from lsp_server.config import SHIPPED_MODEL
from lsp_server.modelstore.locate import locate
from lsp_server.modelstore.manifest import (
    ConfidenceLevels,
    Manifest,
    load_manifest,
    write_manifest,
)
from lsp_server.modelstore.verify import verify
from training.describe import main


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a model folder as `midfill quantize` leaves it."""
    made = Path(shutil.copytree(locate(SHIPPED_MODEL), tmp_path / "model"))
    bare: Manifest = replace(load_manifest(made), confidence={}, off_by_default=())
    write_manifest(made, bare)
    return made


def test_says_what_was_measured_and_keeps_the_rest(folder: Path) -> None:
    """A second call changes only what it names; the folder stays whole."""
    before = load_manifest(folder)
    assert 0 == main([str(folder), "--confidence", "python=0.7,0.5,0.25"])
    measured = ["--off-by-default", "context.enabled", "--training", "two hours"]
    assert 0 == main([str(folder), *measured])
    found = load_manifest(folder)
    verify(folder, found)
    assert found == replace(
        before,
        confidence={"python": ConfidenceLevels(low=0.7, normal=0.5, high=0.25)},
        off_by_default=("context.enabled",),
        provenance=replace(before.provenance, training="two hours"),
    )
    assert 0 == main([str(folder), "--off-by-default"])
    assert () == load_manifest(folder).off_by_default


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--confidence", "python=0.5"], "not three numbers"),
        (["--confidence", "python=0.1,0.5,0.7"], "falling from low to high"),
        (["--off-by-default", "context.nothing"], "no such switch"),
        (["--off-by-default", "nothing.enabled"], "no such switch"),
        (["--off-by-default", "prompt.suffix_lines"], "no such switch"),
    ],
)
def test_refuses_what_the_server_could_not_use(
    folder: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The manifest stays as it was."""
    before = load_manifest(folder)
    assert 1 == main([str(folder), *words])
    assert message in capsys.readouterr().err
    assert before == load_manifest(folder)


def test_refuses_a_folder_that_is_damaged_or_signed(folder: Path) -> None:
    """Neither would be what its manifest or its signature says."""
    (folder / "manifest.sig").write_text("", encoding="utf-8")
    assert 1 == main([str(folder), "--licence", "MIT"])
    (folder / "manifest.sig").unlink()
    assert 0 == main([str(folder), "--licence", "MIT"])
    (folder / "config.json").write_text("{}", encoding="utf-8")
    assert 1 == main([str(folder), "--licence", "MIT"])
