"""``midfill serve --stdio`` in front of a real team server, with TLS and a key."""

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
from launched_server import MIDFILL, LaunchedServer, launched
from piped_editor import URI, Json
from team_server import SECRET, SETTINGS, TeamServer, team_server

from lsp_server.access.keys import new_secret
from lsp_server.config import Config, DaemonConfig
from lsp_server.doctor.checkup import examine
from lsp_server.doctor.findings import Level

CAPABILITIES: Json = {"experimental": {"midfill": {"status": True}}}
Launch = Callable[..., AbstractAsyncContextManager[LaunchedServer]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the key in a private file."""
    made = tmp_path_factory.mktemp("team")
    (made / "key").write_text(f"{SECRET}\n", encoding="ascii")
    (made / "key").chmod(0o600)
    (made / "open-key").write_text(SECRET, encoding="ascii")
    (made / "open-key").chmod(0o644)
    return made


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[TeamServer]:
    """A team server with TLS and one key."""
    with team_server(folder, SETTINGS) as made:
        yield made


def settings(folder: Path, port: int, **changed: str) -> dict[str, str]:
    """Return the settings of somebody who uses the team server."""
    return {
        "MIDFILL_DAEMON_URL": f"wss://127.0.0.1:{port}/lsp",
        "MIDFILL_DAEMON_KEY_FILE": str(folder / "key"),
        "MIDFILL_DAEMON_CA_FILE": str(folder / "tls.pem"),
        # Nobody is to start a daemon here.
        "MIDFILL_DAEMON_MODE": "auto",
        **changed,
    }


def run(
    arguments: list[str], environment: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run a command with settings to its end."""
    return subprocess.run(
        [*MIDFILL[:-2], *arguments],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def launch(folder: Path, tmp_path: Path) -> Launch:
    """Start attached servers that know a team server."""

    @asynccontextmanager
    async def start(port: int, **changed: str) -> AsyncGenerator[LaunchedServer]:
        changed = {"XDG_RUNTIME_DIR": str(tmp_path), **changed}
        environment = settings(folder, port, **changed)
        async with launched(MIDFILL, tmp_path / "log", **environment) as made:
            yield made
        assert SECRET not in made.stderr
        assert not (tmp_path / "midfill").exists()

    return start


async def introduced(attached: LaunchedServer, text: str = "x = ") -> None:
    """Introduce the editor, open a document and wait for a completion."""
    await attached.editor.initialize(capabilities=CAPABILITIES)
    attached.editor.open(text)
    await attached.editor.wait(lambda message: "ready" == state_of(message))


def state_of(message: Json) -> object:
    """Return the state that a notification says; None for another message."""
    params = message.get("params")
    is_status = message.get("method") == "midfill/status" and isinstance(params, dict)
    return params["state"] if is_status and isinstance(params, dict) else None


def shown(attached: LaunchedServer) -> list[object]:
    """Return what was shown to the user."""
    return [each["message"] for each in attached.editor.reported("window/showMessage")]


async def test_an_editor_of_pipes_is_served_by_the_team(
    server: TeamServer, launch: Launch
) -> None:
    """A message of a megabyte and a storm of cancels included; it ends in order."""
    async with launch(server.port("listen.ready")) as attached:
        await introduced(attached)
        editor = attached.editor
        assert 1 == len(await editor.complete(0, 4))
        long = "# ä" * 300_000 + "\nx = "
        editor.open(long, uri="file:///long.py")
        assert 1 == len(await editor.complete(1, 4, uri="file:///long.py"))
        asked = [editor.ask_completion(0, 4) for _ in range(100)]
        for each in asked:
            editor.notify("$/cancelRequest", {"id": each})
            await editor.reply(each)
        assert 1 == len(await editor.complete(0, 4))
        await editor.request("shutdown")
        editor.notify("exit", None)
        assert 0 == await editor.exit_code()
        assert [] == shown(attached)


async def test_a_server_that_restarts_costs_a_pause_and_one_message(
    tmp_path: Path, launch: Launch
) -> None:
    """The next one gets the document as it is by then; so again the next time."""
    folder = tmp_path / "own"
    folder.mkdir()
    with team_server(folder, SETTINGS) as first:
        port = first.port("listen.ready")
        manager = launch(port, MIDFILL_DAEMON_CA_FILE=str(folder / "tls.pem"))
        attached = await manager.__aenter__()
        editor = attached.editor
        await introduced(attached, "x = \n")
    for line in (1, 2):
        await editor.wait(lambda _: bool(shown(attached)))
        assert [] == await editor.complete(0, 4)
        start = {side: {"line": 0, "character": 0} for side in ("start", "end")}
        editor.change(1 + line, {"range": start, "text": "y = 1\n"})
        before = len(editor.received)
        with team_server(folder, SETTINGS, port=port):
            await editor.wait(lambda _: "ready" in states(attached, before))  # noqa: B023 - called in this turn
            assert 1 == len(await editor.complete(line, 4, uri=URI))
    assert 1 == len(shown(attached))
    assert "is lost" in str(shown(attached)[0])
    await manager.__aexit__(None, None, None)


def states(attached: LaunchedServer, after: int) -> list[object]:
    """Return the states since so many messages."""
    return [state_of(each) for each in attached.editor.received[after:]]


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"MIDFILL_API_KEY": new_secret()}, "401, Unauthorized. Put a key"),
        ({"MIDFILL_DAEMON_KEY_FILE": "open-key"}, "others may read or change it"),
        ({"MIDFILL_DAEMON_KEY_FILE": "no-key"}, "it cannot be read"),
        ({"MIDFILL_DAEMON_KEY_FILE": "tls.pem"}, "others may read"),
        ({"MIDFILL_API_KEY": "two words"}, "MIDFILL_API_KEY: it holds no API key"),
        ({"MIDFILL_DAEMON_CA_FILE": ""}, "its certificate is not trusted"),
        ({"MIDFILL_DAEMON_CA_FILE": "key"}, "it holds no certificates"),
        ({"MIDFILL_DAEMON_URL": "wss://127.0.0.1:{}/v1/models"}, "ends with /lsp"),
        ({"MIDFILL_DAEMON_URL": "https://127.0.0.1:{}"}, "no address of a websocket"),
        ({"MIDFILL_DAEMON_URL": "ws://192.0.2.1/lsp"}, "others could read along"),
        ({"MIDFILL_DAEMON_URL": "wss://a:b@127.0.0.1:{}/lsp"}, "or a password"),
    ],
)
async def test_a_server_that_cannot_be_used_is_one_error(
    server: TeamServer,
    launch: Launch,
    folder: Path,
    changed: dict[str, str],
    sentence: str,
) -> None:
    """It answers ``initialize``, says what to do, and no engine is loaded instead."""
    port = server.port("listen.ready")
    values = {name: value.replace("{}", str(port)) for name, value in changed.items()}
    files = {n: str(folder / v) for n, v in changed.items() if v and n.endswith("FILE")}
    async with launch(port, **values | files) as attached:
        asked = attached.editor.ask("initialize", {"capabilities": {}})
        error = (await attached.editor.reply(asked))["error"]
        assert isinstance(error, dict)
        assert sentence in str(error["message"])
        assert 1 == await attached.editor.exit_code()


def test_the_doctor_asks_the_team_server_and_not_this_machine(
    server: TeamServer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It tries the key and the certificate as an editor does, and says what to do."""
    monkeypatch.delenv("MIDFILL_API_KEY", raising=False)
    url = f"wss://127.0.0.1:{server.port('listen.ready')}/lsp"
    key, trusted = str(folder / "key"), str(folder / "tls.pem")
    for daemon, level, what in (
        (DaemonConfig(url=url, key_file=key, ca_file=trusted), Level.OK, url),
        (DaemonConfig(url=url, ca_file=trusted), Level.FAILURE, "401"),
        (DaemonConfig(url=url, key_file=key), Level.FAILURE, "not trusted"),
        (DaemonConfig(url="ws://localhost:1/lsp"), Level.FAILURE, "cannot be reached"),
        (DaemonConfig(url="https://a.example"), Level.FAILURE, "daemon.url"),
    ):
        *_, found = examine(Config(daemon=daemon), [])
        assert ("team server", level) == (found.name, found.level)
        assert what in found.what
        assert bool(found.remedy) is (level is Level.FAILURE)


def test_no_other_model_of_the_team_answers_for_the_one_that_is_named(
    server: TeamServer, folder: Path
) -> None:
    """The error names what the server has, and what to do; nothing is completed."""
    source = folder / "a.py"
    source.write_text("x = \n", encoding="utf-8")
    environment = settings(folder, server.port("listen.ready"))
    ran = [
        run(["complete", *named, f"{source}:1:5"], environment)
        for named in ([], ["--model", "theirs"])
    ]
    assert [0, 1] == [each.returncode for each in ran]
    assert "21 + 21" in ran[0].stdout
    assert "" == ran[1].stdout
    said = re.fullmatch(
        "midfill( complete)?: --model theirs: the server has the model (.+). "
        "Leave --model out, or have theirs served there.\n",
        ran[1].stderr,
    )
    assert said, ran[1].stderr


@pytest.mark.parametrize(
    ("changed", "answers", "says"),
    [
        ({}, True, "It answers, and lets this user in."),
        ({"MIDFILL_API_KEY": new_secret()}, False, "it answers 401"),
        ({"MIDFILL_DAEMON_CA_FILE": ""}, False, "its certificate is not trusted"),
        ({"MIDFILL_DAEMON_URL": "ws://192.0.2.7/?key=x"}, False, "this machine alone"),
    ],
)
def test_the_status_is_that_of_the_team_server(
    server: TeamServer,
    folder: Path,
    tmp_path: Path,
    *,
    changed: dict[str, str],
    answers: bool,
    says: str,
) -> None:
    """It is asked as an editor asks it; that no daemon runs is no fault then."""
    changed = {"XDG_RUNTIME_DIR": str(tmp_path), **changed}
    environment = settings(folder, server.port("listen.ready"), **changed)
    shown, as_json = (
        run(["daemon", "status", *option], environment) for option in ([], ["--json"])
    )
    found = json.loads(as_json.stdout)
    name = environment["MIDFILL_DAEMON_URL"].partition("?")[0]
    assert shown.stdout.startswith(f"Editors use the team server {name}, as daemon.url")
    assert says in shown.stdout
    assert "key=" not in shown.stdout
    assert "No daemon is running here, and none is needed." in shown.stdout
    team = found["team_server"]
    assert (name, answers) == (team["url"], team["reachable"])
    assert not found["running"]
    assert {not answers} == {bool(each.returncode) for each in (shown, as_json)}


async def test_an_editor_cannot_say_where_code_is_sent(launch: Launch) -> None:
    """A workspace could be behind its options: nobody is called, nor shown the key."""
    with socket.create_server(("127.0.0.1", 0)) as trap:
        trap.settimeout(0)
        url = f"ws://127.0.0.1:{trap.getsockname()[1]}/lsp"
        options = {"midfill": {"daemon": {"url": url, "keyFile": "/nowhere"}}}
        own = {"MIDFILL_DAEMON_URL": "", "MIDFILL_DAEMON_MODE": "never"}
        async with launch(0, MIDFILL_ENGINE_KIND="scripted", **own) as attached:
            await attached.editor.initialize(initializationOptions=options)
            attached.editor.open("x = ")
            await attached.editor.wait_until_ready()
            assert 1 == len(await attached.editor.complete(0, 4))
        with pytest.raises(BlockingIOError):
            trap.accept()


def test_who_attaches_to_a_daemon_loads_nothing_of_this() -> None:
    """Each of these would cost a good part of the tenth of a second that there is."""
    code = "import sys, lsp_server.commands.serve; print(*sys.modules)"
    ran = subprocess.run(
        [sys.executable, "-c", code],
        # Coverage, which would start with the interpreter, loads threading itself.
        env={k: v for k, v in os.environ.items() if not k.startswith("COV")},
        capture_output=True,
        text=True,
        check=True,
    )
    heavy = {"ssl", "websockets", "asyncio", "threading", "logging", "pydantic"}
    assert set() == heavy & set(ran.stdout.split())
