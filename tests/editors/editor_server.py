"""The server as editors start it in tests: a command, its log, and its processes.

An editor is given the path of a program, as its user would configure it. The program
is a small script that notes its process id, sends the server's stderr to a file and
becomes the server, so that nothing stands between the editor and the server's pipes.
"""

import contextlib
import os
import re
import shlex
import signal
import sys
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import psutil

__all__ = [
    "EditorProgram",
    "EditorServer",
    "Event",
    "Fault",
    "FaultyServer",
    "RealServer",
    "ScriptedServer",
    "wait_for",
    "write_server",
]

T = TypeVar("T")

MARK = "TEST_OF_MIDFILL"
"""Set for a server and all that it starts, to find what outlives it."""

GONE_WITHIN_S = 60.0
"""Far more than it takes, which ``benchmarks/disconnect.py`` measures."""

FAULTS = Path(__file__).parents[1] / "servers" / "faulty_server.py"
Fault = str
"""``crash``, ``garbage``, ``hang`` or ``other-version``: see faulty_server.py."""

_EVENT = re.compile(r"^\S+T\S+ (?P<level>[A-Z]+) (?P<name>\S+)(?P<fields>.*)$")
_FIELD = re.compile(r"(\w+)=('(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|\S+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One line of the server's log.

    Attributes:
        level: ``INFO``, ``WARNING`` and so on.
        name: The event's name.
        fields: Its fields as they stand in the line, without quotes.
    """

    level: str
    name: str
    fields: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class EditorServer:
    """A server that an editor starts, and what can be known of it from outside.

    Attributes:
        program: What the editor runs; it takes a server's arguments.
        log: The server's stderr, of all its starts.
        mark: The value of ``TEST_OF_MIDFILL`` in its processes.
        notes: Where the program notes the id of each server.
    """

    program: Path
    log: Path
    mark: str
    notes: Path

    @property
    def command(self) -> list[str]:
        """The program with the arguments that editors give."""
        return [str(self.program), "serve", "--stdio"]

    @property
    def pids(self) -> list[int]:
        """The process id of each server that was started, the first one first."""
        try:
            return [int(pid) for pid in self.notes.read_text().split()]
        except FileNotFoundError:
            return []

    @property
    def running(self) -> list[psutil.Process]:
        """The servers that run, and every process that was started by one."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if (
                    process.environ().get(MARK) == self.mark
                    and process.status() != psutil.STATUS_ZOMBIE
                ):
                    found.append(process)
        return found

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal to the server that was started last."""
        os.kill(self.pids[-1], number)

    @property
    def stderr(self) -> str:
        """What all servers wrote to stderr until now."""
        try:
            return self.log.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return ""

    def events(self, name: str = "") -> list[Event]:
        """Return the events of the log, or those with a name."""
        matches = (_EVENT.match(line) for line in self.stderr.splitlines())
        return [
            Event(
                level=match["level"],
                name=match["name"],
                fields={
                    key: value.strip("'\"")
                    for key, value in _FIELD.findall(match["fields"])
                },
            )
            for match in matches
            if match and name in {"", match["name"]}
        ]

    def wait_until_ready(self, times: int = 1, within_s: float = 60.0) -> None:
        """Wait until engines have become ready so many times in all."""

        def is_ready() -> bool:
            states = [each.fields.get("state") for each in self.events("engine.state")]
            return states.count("ready") >= times

        wait_for(is_ready, what="the engine", within_s=within_s)

    def assert_gone(self, within_s: float = GONE_WITHIN_S) -> None:
        """Check that no process of any server is left, within so many seconds."""
        ended = time.monotonic() + within_s
        while (left := self.running) and time.monotonic() < ended:
            psutil.wait_procs(left, timeout=0.05)
        if left:
            names = [f"{process.pid} {process.cmdline()}" for process in left]
            self.end()
            raise AssertionError(f"left behind after {within_s} s: {names}")

    def end(self) -> None:
        """Kill every process of every server."""
        for process in self.running:
            with contextlib.suppress(psutil.Error):
                process.kill()


def write_server(
    folder: Path,
    settings: Mapping[str, str],
    *,
    fault: Fault | None = None,
    gate: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> EditorServer:
    """Write the program of a server into a folder.

    Args:
        folder: A folder of this server's own.
        settings: Settings as in the environment, without ``MIDFILL_``:
            ``{"SCRIPTED_TEXT": "42"}``. Without ``ENGINE_KIND`` it is scripted, and
            without ``DAEMON_MODE`` it has an engine of its own.
        fault: What is wrong with it.
        gate: Where a named pipe is made that the server reads a line of before it
            reads anything else.
        environment: Further variables of its environment; the settings win.
    """
    folder.mkdir(parents=True, exist_ok=True)
    server = EditorServer(
        program=folder / "midfill",
        log=folder / "server.log",
        mark=uuid.uuid4().hex,
        notes=folder / "pids",
    )
    given = {"ENGINE_KIND": "scripted", "DAEMON_MODE": "never"} | dict(settings)
    exports = {MARK: server.mark} | {f"MIDFILL_{k}": v for k, v in given.items()}
    exports = {**(environment or {}), **exports}
    started: Sequence[object] = ["-m", "lsp_server"]
    if fault:
        started = [FAULTS, fault]
    command = shlex.join([sys.executable, *map(str, started)])
    if gate:
        os.mkfifo(gate)
    lines = [
        "#!/bin/sh",
        f"echo $$ >> {shlex.quote(str(server.notes))}",
        *(f"export {name}={shlex.quote(value)}" for name, value in exports.items()),
        *([f"read -r _ < {shlex.quote(str(gate))}"] if gate else []),
        # The editor's own end of stderr stays open, since some complain if it closes.
        f'exec {command} "$@" 3>&2 2>> {shlex.quote(str(server.log))}',
    ]
    server.program.write_text("\n".join(lines) + "\n", encoding="utf-8")
    server.program.chmod(0o755)
    return server


def wait_for(
    look: Callable[[], T],
    *,
    what: str = "it",
    within_s: float = 60.0,
    every_s: float = 0.02,
) -> T:
    """Look again and again until something true is seen, and return it.

    Only for what gives no sign of its own, such as an editor's screen.
    """
    ended = time.monotonic() + within_s
    while not (seen := look()):
        assert time.monotonic() < ended, f"{what} did not come within {within_s} s"
        time.sleep(every_s)
    return seen


def saved_in(file: Path) -> bytes:
    """Return what the file holds; nothing in the moment in which a save replaces it.

    Helix and Emacs rename the old file before they write the new one.
    """
    try:
        return file.read_bytes()
    except FileNotFoundError:
        return b""


EditorProgram = Callable[[str], Path]
ScriptedServer = Callable[..., EditorServer]
RealServer = Callable[[], EditorServer]
FaultyServer = Callable[[Fault], EditorServer]
