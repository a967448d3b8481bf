"""The gate's promises, on a Makefile whose targets only speak."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TARGETS = [
    "install-dev",
    "lint",
    "wheel",
    "test",
    "install-deploy",
    "test-deploy",
    "install-editors",
    "test-editors",
]
SUMMARY = "=== 2 failed, 30 passed in 5.98s (0:00:05) ==="


def run_gate(folder: Path, *broken: str) -> subprocess.CompletedProcess[str]:
    """Run the gate where these targets fail; `test` says much and ends as pytest."""
    (folder / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "run", folder / ".ci")
    rules = [
        f"{target}:\n\t@echo making {target}\n"
        f"\t@{'false' if target in broken else 'true'}\n"
        for target in TARGETS
        if target != "test"
    ]
    says = f"echo '{SUMMARY}'; seq 1000; {'false' if 'test' in broken else 'true'}"
    makefile = "".join([*rules, f"test:\n\t@{says}\n"])
    (folder / "Makefile").write_text(makefile, encoding="utf-8")
    return subprocess.run(
        [folder / ".ci" / "run"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def made(done: subprocess.CompletedProcess[str]) -> list[str]:
    """Return the targets that were begun."""
    lines = (line.split() for line in done.stdout.splitlines())
    return [words[2] for words in lines if words[:2] == ["---", "make"]]


def test_all_is_made_in_order(tmp_path: Path) -> None:
    """The exit status is 0 if every step passed."""
    done = run_gate(tmp_path)
    assert TARGETS == made(done)
    assert 0 == done.returncode
    assert done.stdout.splitlines()[-1].endswith("failed: none")


@pytest.mark.parametrize("broken", [["lint"], ["test"], ["lint", "wheel"]])
def test_failures_are_reported_at_the_end(tmp_path: Path, broken: list[str]) -> None:
    """Later steps run all the same, and the exit status is not 0."""
    done = run_gate(tmp_path, *broken)
    assert TARGETS == made(done)
    assert 1 == done.returncode
    assert done.stdout.splitlines()[-1].endswith(f"failed: {' '.join(broken)}")


def test_nothing_follows_a_failed_installation(tmp_path: Path) -> None:
    """Without an environment there is nothing to check with."""
    done = run_gate(tmp_path, "install-dev")
    assert ["install-dev"] == made(done)
    assert 1 == done.returncode


def test_summary_of_pytest_is_said_again(tmp_path: Path) -> None:
    """However much follows it, the closing line stands among the last ones."""
    last = run_gate(tmp_path, "test").stdout.splitlines()[-5:]
    assert SUMMARY in last
