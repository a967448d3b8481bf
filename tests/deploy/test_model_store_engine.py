"""The shipped model, signed and pushed, completes a line on another machine."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from object_store import BUCKET, READER, WRITER, ObjectStore, object_store

from lsp_server.config import SHIPPED_MODEL

pytestmark = [pytest.mark.engine, pytest.mark.slow]

BASE = f"s3://{BUCKET}/starter"


def midfill(
    home: Path, store: ObjectStore, user: str, *words: str, **more: str
) -> subprocess.CompletedProcess[str]:
    """Run a command as a user of the store, on a machine with this home."""
    environment = {
        **os.environ,
        **store.environment(user),
        "HOME": str(home),
        "XDG_DATA_HOME": str(home / "data"),
        "XDG_CONFIG_HOME": str(home / "config"),
        "MIDFILL_DAEMON_MODE": "never",
        **more,
    }
    command = [sys.executable, "-m", "lsp_server", *words]
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False
    )


def test_a_signed_model_completes_elsewhere(tmp_path: Path) -> None:
    """With keys that may only read; one that nobody signed is not even loaded."""
    here, there = tmp_path / "here", tmp_path / "there"
    for folder in (here, there, tmp_path / "store"):
        folder.mkdir()
    source = tmp_path / "add.py"
    source.write_text("def add(first, second):\n    return \n\n\nprint(add(1, 2))\n")
    with object_store(tmp_path / "store") as store:
        key = str(here / "key.pem")
        public = midfill(here, store, WRITER, "models", "keygen", key).stdout.strip()
        push = ("models", "push", SHIPPED_MODEL, BASE, "--key", key)
        pushed = midfill(here, store, WRITER, *push)
        assert 0 == pushed.returncode, pushed.stderr
        trust = {
            "MIDFILL_MODELS_TRUSTED_KEYS": public,
            "MIDFILL_MODELS_REQUIRE_SIGNATURE": "true",
        }
        pull = ("models", "pull", BASE, "--name", "team", "--update")
        pulled = midfill(there, store, READER, *pull, **trust)
        assert 0 == pulled.returncode, pulled.stderr
        complete = ("complete", "--model", "team", f"{source}:2:12")
        completed = midfill(there, store, READER, *complete, **trust)
        assert 0 == completed.returncode, completed.stderr
        assert "first + second" in completed.stdout
        (there / "data" / "midfill" / "models" / "team" / "manifest.sig").unlink()
        refused = midfill(there, store, READER, *complete, **trust)
        assert 0 != refused.returncode
        assert "it is not signed, and models.require_signature" in refused.stderr
