"""The plugin's own units, its help and its rock, checked in each Neovim."""

import re
import subprocess
from pathlib import Path

import pytest
from neovim_driver import PLUGIN
from neovim_home import home_in

pytestmark = pytest.mark.editor

SPECS = Path(__file__).parent / "lua"


def run(nvim: Path, tmp_path: Path, *arguments: str) -> str:
    """Run Neovim without a screen, and return what it wrote."""
    done = subprocess.run(
        [nvim, "--headless", "-u", "NONE", "-i", "NONE", "-n", *arguments],
        env=home_in(tmp_path),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    output = done.stdout + done.stderr
    assert 0 == done.returncode, output
    return output


def test_units(nvim_program: Path, tmp_path: Path) -> None:
    """Every case of the Lua specs holds."""
    path = ["--cmd", f"set runtimepath^={PLUGIN}"]
    output = run(nvim_program, tmp_path, *path, "-l", str(SPECS / "run.lua"))
    counted = re.search(r"(\d+) cases hold", output)
    assert counted, output
    assert int(counted[1]) > 20


def test_help_has_a_tag_for_all_that_it_refers_to(
    nvim_program: Path, tmp_path: Path
) -> None:
    """``:helptags`` finds no duplicate, and each ``|midfill-…|`` has its tag."""
    doc = tmp_path / "doc"
    doc.mkdir()
    text = (PLUGIN / "doc" / "midfill.txt").read_text(encoding="utf-8")
    (doc / "midfill.txt").write_text(text, encoding="utf-8")
    run(nvim_program, tmp_path, "-c", f"helptags {doc}", "-c", "qall")
    lines = (doc / "tags").read_text(encoding="utf-8").splitlines()
    tags = {line.split("\t")[0] for line in lines}
    assert set(re.findall(r"\|(midfill-[a-z]+)\|", text)) <= tags
    assert {"midfill", ":Midfill", "midfill-settings"} <= tags


def test_rock_holds_every_module() -> None:
    """The rockspec names each Lua file, and no other."""
    text = next(PLUGIN.glob("*.rockspec")).read_text(encoding="utf-8")
    named = set(re.findall(r'"(lua/midfill/\w+\.lua)"', text))
    there = {str(p.relative_to(PLUGIN)) for p in PLUGIN.glob("lua/midfill/*.lua")}
    assert there == named
