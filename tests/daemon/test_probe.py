"""`midfill health` proves a completion, by a token that opens nothing else."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from team_server import SETTINGS, TeamServer, team_server

from lsp_server.config import SHIPPED_MODEL
from lsp_server.daemon.probe import Probe, ask_readiness, find_probe, published
from lsp_server.errors import DaemonError

HEALTH = [sys.executable, "-m", "lsp_server", "health"]
PROBE = Probe(host="127.0.0.1", port=1, tls=False, token="t" * 64)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of temporary files of server and probe."""
    return tmp_path_factory.mktemp("probed")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[TeamServer]:
    """Start a team server with TLS and one key, and wait for its engine."""
    with team_server(folder, SETTINGS | {"TMPDIR": str(folder)}) as made:
        ends_s = time.monotonic() + 60
        while (done := health(folder)).returncode:
            assert "not ready" in done.stderr, done.stderr
            assert time.monotonic() < ends_s
        yield made


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return where a probe looks, in a folder of temporary files of its own."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path / f"midfill-team-{os.geteuid()}.json"


def health(folder: Path) -> "subprocess.CompletedProcess[str]":
    """Run `midfill health` as a container's health check does."""
    return subprocess.run(
        HEALTH,
        env=os.environ | {"TMPDIR": str(folder)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_it_needs_no_key_and_no_address(server: TeamServer, folder: Path) -> None:
    """The server has answered with a token of the model's, and logged whose it was."""
    done = health(folder)
    assert (0, f"ready: {SHIPPED_MODEL}\n") == (done.returncode, done.stdout)
    assert '"key_id": "probe", "route": "ready", "status": 200' in server.log


def test_its_token_opens_one_route(server: TeamServer, folder: Path) -> None:
    """It completes nothing, and reads no metrics."""
    [left] = folder.glob("midfill-team-*.json")
    assert 0o600 == left.stat().st_mode & 0o777
    token = json.loads(left.read_bytes())["token"]
    with httpx.Client(
        base_url=f"https://127.0.0.1:{server.port('listen.ready')}",
        verify=server.tls,
        headers={"Authorization": f"Bearer {token}"},
    ) as client:
        for opened in ("/metrics", "/v1/models", "/docs", "/lsp", "/none"):
            assert 401 == client.get(opened).status_code
        assert 401 == client.post("/v1/completions", json={}).status_code
        assert 200 == client.get("/ready").status_code
        wrong = {"Authorization": f"Bearer {token[:-1]}"}
        assert 401 == client.get("/ready", headers=wrong).status_code


def test_nothing_is_left_by_a_server_that_ended(tmp_path: Path) -> None:
    """Then the probe fails, and says what to do."""
    with team_server(tmp_path, SETTINGS | {"TMPDIR": str(tmp_path)}):
        assert list(tmp_path.glob("midfill-team-*"))
    assert not list(tmp_path.glob("midfill-team-*"))
    done = health(tmp_path)
    assert 1 == done.returncode
    assert "midfill serve --listen" in done.stderr


@pytest.mark.usefixtures("path")
def test_a_server_that_is_not_ready_is_quoted(tmp_path: Path) -> None:
    """An engine that never starts is no reason to wait for the probe's own limit."""
    settings = SETTINGS | {"TMPDIR": str(tmp_path)}
    settings["MIDFILL_SCRIPTED_START_DELAY_MS"] = "60000"
    with team_server(tmp_path, settings), pytest.raises(DaemonError, match="not ready"):
        ask_readiness(find_probe())


def test_an_address_for_all_is_asked_on_this_machine() -> None:
    """Nobody answers on 0.0.0.0."""
    with socket.create_server(("0.0.0.0", 0)) as listener:  # noqa: S104 - the point
        made = Probe.of(listener, tls=True, token="t")
    assert "127.0.0.1" == made.host


@pytest.mark.parametrize("spoil", ["mode", "link", "text", "field", "pipe"])
def test_only_an_own_and_private_file_is_believed(path: Path, spoil: str) -> None:
    """A file of another kind may have been laid there by anybody."""
    with published(PROBE):
        assert PROBE == find_probe()
        content = path.read_bytes()
        path.unlink()
        if spoil == "link":
            path.with_name("other").write_bytes(content)
            path.symlink_to(path.with_name("other"))
        elif spoil == "pipe":
            os.mkfifo(path, 0o600)
        else:
            wrong = {"mode": content, "text": b"[", "field": b'{"port": 1}'}[spoil]
            path.write_bytes(wrong)
            path.chmod(0o644 if spoil == "mode" else 0o600)
        with pytest.raises(DaemonError, match=str(path)):
            find_probe()


def test_a_folder_that_cannot_be_written_costs_the_probe_alone(
    path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server goes on, and its log says why the probe fails."""
    monkeypatch.setattr("tempfile.tempdir", str(path / "none"))
    with published(PROBE):
        assert "listen.no_probe" in caplog.text
