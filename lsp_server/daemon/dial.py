"""Connects to the daemon, and starts it where there is none."""

import os
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lsp_server.daemon.endpoint import Endpoint, check_peer
from lsp_server.daemon.hello import MAX_HELLO_BYTES, Answer, Hello
from lsp_server.daemon.lock import DaemonLock, holder, is_held
from lsp_server.errors import DaemonError
from lsp_server.operating_system import reason_of, user_folder

if TYPE_CHECKING:
    import subprocess

__all__ = [
    "LOOK_EVERY_S",
    "Reached",
    "Starting",
    "ask",
    "connect",
    "log_path",
    "start_daemon",
]

_CONNECT_TIMEOUT_S = 1.0
_ANSWER_TIMEOUT_S = 10.0
LOOK_EVERY_S = 0.02
"""How long to wait before looking again for a daemon that is starting."""

START_TIMEOUT_S = 30.0
_LOCALHOST = "127.0.0.1"
_TAIL_BYTES = 2000
_TAIL_LINES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """A connection to the daemon.

    Attributes:
        connection: The socket, in blocking mode.
        token: What the hello has to hold.
    """

    connection: socket.socket
    token: str


def connect(endpoint: Endpoint) -> Reached | None:
    """Connect to the daemon; None where none listens.

    Raises:
        DaemonError: What is there cannot be trusted.
    """
    if endpoint.has_unix and endpoint.has_socket():
        made = _connected(socket.AF_UNIX, str(endpoint.socket_path))
        if made is not None:
            try:
                check_peer(made)
            except DaemonError:
                made.close()
                raise
            return Reached(connection=made, token="")
    address = endpoint.tcp_address()
    # The port of a daemon that has died may be anybody's, who would get the token
    # and the environment.
    if address is None or not is_held(endpoint.lock_path):
        return None
    made = _connected(socket.AF_INET, (_LOCALHOST, address.port))
    return Reached(connection=made, token=address.token) if made else None


def ask(dialled: Reached, hello: Callable[[str], Hello]) -> Answer:
    """Send a hello that asks one question, and return the answer.

    Args:
        dialled: The connection; it is closed.
        hello: Makes the hello with the daemon's token.

    Raises:
        DaemonError: The daemon refuses, or does not answer.
    """
    with dialled.connection as connection:
        connection.settimeout(_ANSWER_TIMEOUT_S)
        received = b""
        try:
            connection.sendall(hello(dialled.token).line())
            while not received.endswith(b"\n") and len(received) < 64 * MAX_HELLO_BYTES:
                chunk = connection.recv(MAX_HELLO_BYTES)
                if not chunk:
                    break
                received += chunk
        except OSError as error:
            raise DaemonError(
                f"it does not answer ({reason_of(error)})",
                subject="the daemon",
                remedy="End it with `midfill daemon stop`",
            ) from error
    answer = Answer.read(received)
    if answer.refusal:
        raise DaemonError(answer.refusal, subject="the daemon", remedy="")
    return answer


def start_daemon(
    endpoint: Endpoint, *, config_file: Path | None = None, loads: bool = False
) -> "subprocess.Popen[bytes] | None":
    """Start a daemon, unless there is one; it may not be listening yet.

    Args:
        endpoint: Where it listens.
        config_file: The TOML file with its settings; None for the user's.
        loads: Whether it loads its engine at once, and not for the first editor.

    Returns:
        A process that ends as soon as the daemon has left it; None where another one
        is, or becomes, the daemon.

    Raises:
        DaemonError: It cannot be started.
    """
    import subprocess  # noqa: PLC0415 - only who starts a daemon needs it

    lock = DaemonLock.take(endpoint.lock_path)
    if lock is None:
        return None
    log = log_path(endpoint)
    command = [
        *(sys.executable, "-m", "lsp_server", "daemon", "start", "--foreground"),
        *("--log-file", str(log), "--lock-fd", str(lock.fd)),
        *(["--config", str(config_file.absolute())] if config_file else []),
        *(["--load"] if loads else []),
    ]
    try:
        log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        log_fd = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log_fd,
                stderr=log_fd,
                # It outlives the editor, whose terminal and folder it must not hold.
                start_new_session=True,
                cwd="/",
                pass_fds=[lock.fd],
            )
        finally:
            os.close(log_fd)
    except OSError as error:
        raise DaemonError(
            f"it cannot be started ({reason_of(error)})",
            subject="the daemon",
            remedy="Name a folder for its log that can be written in XDG_STATE_HOME, "
            "or set daemon.mode to never for an engine of the editor's own",
        ) from error
    finally:
        # The new process has it now.
        lock.release()


class Starting:
    """Waits for a daemon that listens, and starts one if there is none.

    Nothing here waits: `look` returns at once, and is called again after a moment.

    Args:
        endpoint: Where it listens.
        config_file: The TOML file with its settings; None for the user's.
        loads: Whether it loads its engine at once, and not for the first editor.
        timeout_s: The longest to wait, in seconds.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        config_file: Path | None = None,
        loads: bool = False,
        timeout_s: float = START_TIMEOUT_S,
    ) -> None:
        """Begin to count the time."""
        self._endpoint = endpoint
        self._config_file = config_file
        self._loads = loads
        self._until_s = time.monotonic() + timeout_s
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def has_started(self) -> bool:
        """Whether the daemon was started from here."""
        return self._process is not None

    def look(self) -> Reached | None:
        """Connect, if the daemon listens by now; start it if there is none.

        Raises:
            DaemonError: It ended, does not listen in time, or cannot be trusted.
        """
        dialled = connect(self._endpoint)
        if dialled is not None:
            if self._process is not None:
                self._process.poll()
            return dialled
        if self._process is None:
            # As long as another process holds the lock, this does nothing.
            self._process = start_daemon(
                self._endpoint, config_file=self._config_file, loads=self._loads
            )
        elif self._process.poll() is not None and not is_held(self._endpoint.lock_path):
            raise _start_failed(self._endpoint, "it ended while it was starting")
        if time.monotonic() > self._until_s:
            raise _start_failed(self._endpoint, "it does not listen in time")
        return None

    def wait(self) -> Reached:
        """Look until the daemon listens, and connect.

        Raises:
            DaemonError: It ended, does not listen in time, or cannot be trusted.
        """
        while (dialled := self.look()) is None:
            time.sleep(LOOK_EVERY_S)
        return dialled


def _start_failed(endpoint: Endpoint, what: str) -> DaemonError:
    """Make the error about a daemon that did not start, with the end of its log."""
    log = log_path(endpoint)
    try:
        text = log.read_bytes()[-_TAIL_BYTES:].decode(errors="replace")
    except OSError:
        text = ""
    tail = "\n".join(text.splitlines()[-_TAIL_LINES:])
    process_id = holder(endpoint.lock_path)
    end = "End it with `midfill daemon stop`. " if process_id else ""
    shown = f"Its log, {log}, ends with:\n{tail}" if tail else f"See its log, {log}"
    return DaemonError(
        what,
        subject=f"the daemon, process {process_id}" if process_id else "the daemon",
        remedy=f"{end}{shown}",
    )


def log_path(endpoint: Endpoint) -> Path:
    """Return the log of a daemon that was started in the background."""
    state = user_folder("state")
    return (state or endpoint.folder) / f"daemon-{endpoint.name}.log"


def _connected(
    family: socket.AddressFamily, address: str | tuple[str, int]
) -> socket.socket | None:
    """Return a connected socket; None where nobody listens."""
    made = socket.socket(family, socket.SOCK_STREAM)
    made.settimeout(_CONNECT_TIMEOUT_S)
    try:
        made.connect(address)
    except OSError:
        made.close()
        return None
    made.settimeout(None)
    return made
