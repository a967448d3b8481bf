"""What the tests of editors share: a fresh home, servers to start, programs to run.

Mark each module that drives an editor: ``pytestmark = pytest.mark.editor``. An editor's
program comes from ``editor_program``, which skips the test with the reason why it could
not be obtained.
"""

import os
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "servers"))
sys.path.insert(0, str(Path(__file__).parent))

from editor_server import (
    EditorProgram,
    EditorServer,
    Fault,
    FaultyServer,
    RealServer,
    ScriptedServer,
    write_server,
)
from obtain.record import FOLDER, UnobtainableError, program
from shares import Shares

CANDIDATE_SEPARATOR = "\x1e"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> Shares:
    """Let workers share the tests of editors in their own way."""
    return Shares(config, log)


@pytest.fixture
def editor_program() -> EditorProgram:
    """Return the program of an editor by its name; skip where it was not obtained."""

    def find(name: str) -> Path:
        try:
            return program(name)
        except UnobtainableError as exc:
            pytest.skip(str(exc))

    return find


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    """The environment of an editor whose user has just come to this machine.

    Compiled models are kept between tests, as they are between a user's days.
    """
    places = {
        "HOME": "home",
        "XDG_CONFIG_HOME": "home/.config",
        "XDG_DATA_HOME": "home/.local/share",
        "XDG_STATE_HOME": "home/.local/state",
        "XDG_RUNTIME_DIR": "run",
    }
    for place in places.values():
        (tmp_path / place).mkdir(parents=True, exist_ok=True, mode=0o700)
    cache = FOLDER / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    # A shell's or an editor's own variables would change what is tested.
    kept = {"PATH", "LANG", "TZ", "SSL_CERT_FILE", "PYTHONPATH"}
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name in kept or name.startswith(("COV_", "COVERAGE_"))
    }
    return (
        {"LANG": "C.UTF-8"}
        | inherited
        | {name: str(tmp_path / place) for name, place in places.items()}
        | {"XDG_CACHE_HOME": str(cache), "TERM": "xterm-256color"}
    )


@pytest.fixture
def servers() -> Generator[list[EditorServer]]:
    """The servers of one test; when it is over, nothing of them may be left."""
    made: list[EditorServer] = []
    yield made
    try:
        for server in made:
            server.assert_gone()
    finally:
        for server in made:
            server.end()


@pytest.fixture
def scripted_server(tmp_path: Path, servers: list[EditorServer]) -> ScriptedServer:
    """Make servers with the scripted engine, which is loaded at once."""

    def make(
        text: str = "21 + 21",
        *,
        candidates: tuple[str, ...] = (),
        token_delay_ms: int = 0,
        start_delay_ms: int = 0,
        die_after_requests: int = 0,
        **settings: str,
    ) -> EditorServer:
        script = {
            "SCRIPTED_TEXT": text,
            "SCRIPTED_TOKEN_DELAY_MS": str(token_delay_ms),
            "SCRIPTED_START_DELAY_MS": str(start_delay_ms),
            "SCRIPTED_DIE_AFTER_REQUESTS": str(die_after_requests),
        }
        if candidates:
            script["SCRIPTED_CANDIDATES"] = CANDIDATE_SEPARATOR.join(candidates)
        folder = tmp_path / f"server-{len(servers)}"
        servers.append(write_server(folder, script | settings))
        return servers[-1]

    return make


@pytest.fixture
def real_server(tmp_path: Path, servers: list[EditorServer]) -> RealServer:
    """Make servers with the real engine and the shipped model: mark ``engine``, too."""

    def make() -> EditorServer:
        folder = tmp_path / f"server-{len(servers)}"
        # Also what the small model is not sure of.
        settings = {"ENGINE_KIND": "vllm", "COMPLETION_EAGERNESS": "always"}
        servers.append(write_server(folder, settings))
        return servers[-1]

    return make


@pytest.fixture
def faulty_server(tmp_path: Path, servers: list[EditorServer]) -> FaultyServer:
    """Make servers with one fault: crash, garbage, hang or other-version."""

    def make(fault: Fault) -> EditorServer:
        folder = tmp_path / f"server-{len(servers)}"
        servers.append(write_server(folder, {}, fault=fault))
        return servers[-1]

    return make
