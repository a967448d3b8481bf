"""Another model takes over under the name of an application, while typists ask."""

import asyncio
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from ray import serve
from ray_cluster import NAME, RayCluster
from ray_command import MIDFILL, serving, status
from ray_load import ask, typing

from lsp_server.config import SHIPPED_MODEL
from lsp_server.errors import EngineStartError
from lsp_server.modelstore.locate import shipped_models
from lsp_server.modelstore.manifest import load_manifest, write_manifest
from lsp_server.modelstore.verify import describe_files
from midfill_ray.options import RayOptions, parse_options
from midfill_ray.survey import engines_of, survey
from midfill_ray.takeover import deploy, end, engines_name

# Ray warns of itself.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

MODEL = shipped_models()[SHIPPED_MODEL]
WORDS = {"old": "21 + ", "new": "42 - "}


@pytest.fixture(scope="module")
def cluster(shared_ray: RayCluster) -> RayCluster:
    """Use the shared Ray, with nothing deployed."""
    if NAME in serve.status().applications:
        serve.delete(NAME)
    return shared_ray


@pytest.fixture
def old(cluster: RayCluster) -> Iterator[RayOptions]:
    """Serve one model, and return the options."""
    options = options_of(cluster, "old", {})
    deploy(options, NAME)
    yield options
    end(NAME)


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make another model: its files are not the same."""
    folder = tmp_path_factory.mktemp("models") / "other"
    shutil.copytree(MODEL, folder)
    (folder / "ATTRIBUTION.md").write_text("Another one.", encoding="utf-8")
    manifest = load_manifest(folder)
    write_manifest(folder, replace(manifest, files=describe_files(folder)))
    return folder


def options_of(cluster: RayCluster, which: str, model: dict[str, object]) -> RayOptions:
    """Return options with two engines that write one of `WORDS` for ever."""
    script = {"text": WORDS[which] * 60, "token_delay_ms": 20}
    arguments = cluster.arguments(
        # No request is to be refused because the machine has much to do.
        {"scripted": script, "model": model, "admission": {"max_wait_ms": 0}},
        min_replicas=2,
        num_cpus=0.5,
    )
    return parse_options(arguments)


async def test_another_model_takes_over_and_nothing_is_dropped(
    cluster: RayCluster, old: RayOptions, other: Path
) -> None:
    """No request fails, no answer is of two models, and the old engines end."""
    new = options_of(cluster, "new", {"path": str(other)})
    async with typing(cluster.url, typists=6, tokens=20) as load:
        await asyncio.to_thread(deploy, new, NAME)
    async with httpx.AsyncClient(base_url=cluster.url) as client:
        after = await ask(client, "later", tokens=20)
    shown = await asyncio.to_thread(survey, NAME)

    assert load.failed == {}
    texts = [each.text for each in load.answers]
    assert [text for text in texts if "21" in text and "42" in text] == []
    assert [text for text in texts if "21" not in text and "42" not in text] == []
    assert "21" in texts[0]
    assert "42" in after.text
    assert engines_name(NAME, old) != engines_name(NAME, new)
    assert engines_of(NAME) == [engines_name(NAME, new)]
    assert len(shown.engines) == 2


async def test_model_that_does_not_start_changes_nothing(
    cluster: RayCluster, old: RayOptions
) -> None:
    """Its own error is said, its engines are taken away, and the old model answers."""
    missing = options_of(cluster, "new", {"path": "/no/such/model"})
    async with typing(cluster.url, typists=2, tokens=20) as load:
        with pytest.raises(EngineStartError, match="/no/such/model"):
            await asyncio.to_thread(deploy, missing, NAME)

    assert load.failed == {}
    assert [each.text for each in load.answers if "21" not in each.text] == []
    assert engines_of(NAME) == [engines_name(NAME, old)]
    assert serve.status().applications[NAME].status.value == "RUNNING"


def test_the_command_has_another_model_take_over(other: Path) -> None:
    """While the command that serves goes on, and needs to know nothing of it."""
    body = {"prompt": "x = ", "max_tokens": 2}
    with serving() as running:
        before = json.loads(status(running.head).stdout)["engines"]
        words = ["--address", running.head, "--option", "is_loopback=true"]
        done = subprocess.run(
            [*MIDFILL, "serve", *words, "--replace", "--model", str(other)],
            env=os.environ | {"MIDFILL_ENGINE_KIND": "scripted"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert 0 == done.returncode, done.stderr
        assert "Another model takes over" in done.stderr
        [old], [new] = before, json.loads(status(running.head).stdout)["engines"]
        answer = httpx.post(f"{running.url}/v1/completions", json=body, timeout=60)
        assert running.process.poll() is None

    assert old["fingerprint"] != new["fingerprint"]
    assert 200 == answer.status_code, answer.text
