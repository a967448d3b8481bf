"""How a pod starts: it fetches the model that the settings pin, or never answers."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any  # manifests, read as they stand

import httpx
import pytest
from manifests import built, find, pods_of
from object_store import BUCKET, READER, SECRET, WRITER, ObjectStore, object_store
from routed_team import KEYS, LIMIT_S, team_servers

from lsp_server.config import SHIPPED_MODEL
from lsp_server.modelstore.locate import shipped_models
from lsp_server.modelstore.manifest import load_manifest, write_manifest

SHIPPED = shipped_models()[SHIPPED_MODEL]
MIDFILL = [sys.executable, "-m", "lsp_server"]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ObjectStore]:
    """A store with an empty bucket."""
    folder = tmp_path / "store"
    folder.mkdir()
    with object_store(folder) as made:
        yield made


def push(store: ObjectStore, model: Path, *options: str) -> None:
    """Put a model into the store, where the overlay looks for it."""
    target = f"s3://{BUCKET}/{SHIPPED.name}"
    environment = os.environ | store.environment(WRITER)
    command = [*MIDFILL, "models", "push", str(model), target, *options]
    subprocess.run(command, env=environment, check=True, capture_output=True)


def environment_of_pod(store: ObjectStore, home: Path) -> dict[str, str]:
    """Return the overlay's settings, with a store and folders of this machine."""
    home.mkdir()
    data: Any = find(built("team"), "ConfigMap", "midfill-settings")["data"]
    [bucket, address] = data["MIDFILL_REGISTRY_SOURCES"].split()
    moved = {
        name: value.replace(bucket, f"s3://{BUCKET}").replace(address, store.address)
        for name, value in data.items()
    }
    credentials = home / "credentials"
    credentials.write_text(
        f"[default]\naws_access_key_id={READER}\naws_secret_access_key={SECRET}\n"
    )
    return moved | {
        "HOME": str(home),
        "AWS_SHARED_CREDENTIALS_FILE": str(credentials),
        "MIDFILL_REGISTRY_FOLDER": str(home / "models"),
    }


def pull(environment: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
    """Do what the pod's first container does."""
    pod: Any = dict(pods_of(built("team")))["midfill"]["spec"]
    [first] = pod["initContainers"]
    arguments = [
        re.sub(r"\$\((\w+)\)", lambda found: environment[found[1]], each)
        for each in first["args"]
    ]
    return subprocess.run(
        [*MIDFILL, *arguments],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_pod_with_another_model_never_answers(
    store: ObjectStore, tmp_path: Path
) -> None:
    """The store's model is replaced between the starts of two pods."""
    push(store, SHIPPED)
    one = environment_of_pod(store, tmp_path / "one")
    done = pull(one)
    assert 0 == done.returncode, done.stderr
    with team_servers(tmp_path / "one", 1, one) as [server]:
        other = shutil.copytree(SHIPPED, tmp_path / "other")
        manifest = load_manifest(other)
        before = (other / "manifest.json").read_bytes()
        write_manifest(other, replace(manifest, licence="MIT"))
        assert before != (other / "manifest.json").read_bytes()
        push(store, other, "--replace")
        two = environment_of_pod(store, tmp_path / "two")
        done = pull(two)
        assert 0 == done.returncode, done.stderr
        with (
            pytest.raises(TimeoutError, match=r"another model than model\.sha256"),
            team_servers(tmp_path / "two", 1, two),
        ):
            pass
        answer = httpx.post(
            f"http://127.0.0.1:{server.port}/v1/completions",
            json={"prompt": "x = ", "model": "starter", "max_tokens": 4},
            headers={"Authorization": f"Bearer {KEYS[0]}"},
            timeout=LIMIT_S,
        )
        assert answer.is_success, answer.text


def test_a_pod_without_a_model_says_why(store: ObjectStore, tmp_path: Path) -> None:
    """In its last line, which is what `kubectl describe pod` shows."""
    done = pull(environment_of_pod(store, tmp_path / "pod"))
    assert 1 == done.returncode
    assert "no such object" in done.stderr.splitlines()[-1]
