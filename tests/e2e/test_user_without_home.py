"""A user id without an entry in the list of users, and no HOME, as in containers."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lsp_server.config import SHIPPED_MODEL

NOBODY = ["unshare", "--user", "--map-user=12345"]


def can_be_nobody() -> bool:
    """Return whether this machine lets a process have such a user id."""
    if shutil.which(NOBODY[0]) is None:
        return False
    tried = subprocess.run([*NOBODY, "true"], capture_output=True, check=False)
    return tried.returncode == 0


pytestmark = pytest.mark.skipif(
    not can_be_nobody(), reason="user namespaces are not allowed here"
)


@pytest.mark.parametrize(
    "arguments",
    [
        ["complete", "a.py:1:5"],
        ["doctor"],
        ["models", "list"],
        ["models", "recommend"],
        ["models", "verify", SHIPPED_MODEL],
    ],
)
def test_commands_work_without_a_home(tmp_path: Path, arguments: list[str]) -> None:
    """The settings are the defaults, and nothing has a traceback."""
    (tmp_path / "a.py").write_text("x = \n")
    kept = {
        "PATH": os.environ["PATH"],
        "MIDFILL_ENGINE_KIND": "scripted",
        "MIDFILL_DAEMON_MODE": "never",
    }
    done = subprocess.run(
        [*NOBODY, sys.executable, "-m", "lsp_server", *arguments],
        env=kept,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert 0 == done.returncode, done.stderr
    assert "Traceback" not in done.stderr


def test_a_pull_without_a_home_says_what_to_set() -> None:
    """There is no folder to keep a model in."""
    done = subprocess.run(
        [
            *NOBODY,
            sys.executable,
            "-m",
            "lsp_server",
            "models",
            "pull",
            "qwen2.5-coder-7b",
        ],
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert 1 == done.returncode
    assert "registry.folder" in done.stderr
    assert "Traceback" not in done.stderr
