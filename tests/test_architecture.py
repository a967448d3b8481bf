"""The import direction holds, its contracts notice when not, and modules stay short."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("lsp_server", "training")


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run import-linter on the packages of a folder."""
    program = Path(sys.executable).with_name("lint-imports")
    return subprocess.run(
        [program, "--no-cache"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_no_module_is_too_long_and_their_number_is_said() -> None:
    """CONTRIBUTING's limit holds, and its counts are right within a twentieth."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    limit = re.search(r"none over (\d+)", text)
    said = re.search(r"about ([\d,]+) lines in about (\d+) files, and (\d+)", text)
    assert limit is not None
    assert said is not None
    sizes = {
        path: len(path.read_bytes().splitlines())
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
    }
    lines, files, fewest = (int(each.replace(",", "")) for each in said.groups())
    assert [] == [path for path, size in sizes.items() if size > int(limit[1])]
    assert sum(sizes.values()) == pytest.approx(lines, rel=0.05)
    assert len(sizes) == pytest.approx(files, rel=0.05)
    assert fewest * int(limit[1]) == pytest.approx(lines, rel=0.05)


def test_contracts_hold() -> None:
    """Every contract of pyproject.toml is kept."""
    checked = lint_imports(ROOT)
    assert 0 == checked.returncode, checked.stdout


@pytest.mark.parametrize(
    ("module", "statement", "contract"),
    [
        (
            "lsp_server/engine/base.py",
            "import lsp_server.prompt",
            "Imports point downwards",
        ),
        (
            "lsp_server/service/backend.py",
            "import lsprotocol",
            "Only protocol/ and client/ know LSP",
        ),
    ],
)
def test_broken_contract_is_noticed(
    tmp_path: Path, module: str, statement: str, contract: str
) -> None:
    """A planted import against a contract is reported, in words that name it."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for package in PACKAGES:
        shutil.copytree(
            ROOT / package,
            tmp_path / package,
            ignore=shutil.ignore_patterns("*.safetensors", "*.json", "__pycache__"),
        )
    with (tmp_path / module).open("a", encoding="utf-8") as file:
        file.write(f"\n{statement}\n")
    checked = lint_imports(tmp_path)
    assert checked.returncode
    broken = [line for line in checked.stdout.splitlines() if "KEPT" not in line]
    assert contract in "\n".join(broken)
