"""The attached server: forwards an editor's messages to the daemon and back.

One thread, one loop around poll(2): nothing here loads asyncio, so that an editor has
its answer a tenth of a second after the start. What the conversation is about,
`attached_session` knows.
"""

import os
import select
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from lsp_server.client.attached_messages import DAEMON_WORDS, NO_EDITOR, LossWords
from lsp_server.client.attached_process import EditorProcess, EventLog, Signals
from lsp_server.client.attached_session import AttachedSession
from lsp_server.client.daemon_link import DaemonLink, Dialling
from lsp_server.client.wire import OutStream, Wire
from lsp_server.errors import DaemonError
from lsp_server.protocol.framing import (
    Frame,
    FrameDecoder,
    SkippedFrame,
    UnreadableStream,
    encode_frame,
)
from lsp_server.raw_settings import DaemonMode

__all__ = ["Forwarder", "OwnEngine"]

_STDIN, _STDOUT = 0, 1
_CHUNK_BYTES = 256 * 1024
_MAX_BODY_BYTES = 16 * 1024 * 1024
"""As the daemon's sockets take."""

_MAX_UNREAD_BYTES = 64 * 1024 * 1024
_MAX_AHEAD_BYTES = 4 * 1024 * 1024
_PROCESS_EVERY_S = 0.5
_END_DEADLINE_S = 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnEngine:
    """The editor is to be served by an engine of this process.

    Attributes:
        ahead: What was read of the editor's messages already.
        why: Why there is no daemon, for the user; empty where none is wanted.
    """

    ahead: bytes
    why: str = ""


class Forwarder:
    """Serves one editor through a daemon or a team server, until the editor ends.

    Args:
        dialling: Finds the daemon, or the team server.
        mode_of: Returns ``daemon.mode`` for the editor's ``initializationOptions``.
        log: Takes the events.
        words: What the user reads when the daemon is lost.
    """

    def __init__(
        self,
        dialling: Dialling,
        mode_of: Callable[[object], DaemonMode],
        log: EventLog,
        words: LossWords = DAEMON_WORDS,
    ) -> None:
        """Prepare; ``run`` reads."""
        self._mode_of = mode_of
        self._log = log
        self._link = DaemonLink(dialling)
        self._session = AttachedSession(words)
        self._frames = FrameDecoder(_MAX_BODY_BYTES)
        self._to_editor = OutStream(_STDOUT)
        self._mode: DaemonMode | None = None
        self._raw = b""
        self._ahead: list[bytes] = []
        self._was_served = False
        self._own: OwnEngine | None = None
        self._editor: EditorProcess | None = None
        self._looked_s = 0.0
        self._ending = ""
        self._ends_s = float("inf")
        self._is_over = False

    def run(self) -> int | OwnEngine:
        """Forward until the editor ends, or is to be served by an own engine.

        Returns:
            The exit status, 0 only after ``shutdown``; or what the own engine begins
            with.

        Raises:
            OSError: Stdin or stdout is not open.
        """
        for fd in (_STDIN, _STDOUT):
            os.fstat(fd)
        with Signals() as signals:
            while not self._is_over and self._own is None:
                self._step(signals)
        self._link.close()
        if self._own is not None:
            return self._own
        exit_code = 0 if self._session.shut_down else 1
        self._log.write("server.end", reason=self._ending, exit_code=exit_code)
        return exit_code

    def _step(self, signals: Signals) -> None:
        """Wait for something to do, and do it."""
        events = dict(self._poller(signals.fd).poll(self._timeout_ms()))
        if name := signals.taken():
            self._end(name)
            self._link.close()
        wire = self._link.wire
        if wire is not None and wire.connection.fileno() in events:
            self._receive(wire)
        if _STDIN in events:
            self._read()
        if self._own is None:
            self._look()
            self._flush()
        self._is_over |= bool(self._ending) and self._may_end()

    def _poller(self, woken_fd: int) -> select.poll:
        """Return what waits for every descriptor that something is to be done with."""
        poller = select.poll()
        poller.register(woken_fd, select.POLLIN)
        link = self._link
        if link.wire is not None:
            writes = select.POLLOUT if link.waiting_bytes else 0
            poller.register(link.wire.connection, select.POLLIN | writes)
        # What the daemon has not taken yet is enough; the editor waits.
        if not self._ending and link.waiting_bytes < _MAX_AHEAD_BYTES:
            poller.register(_STDIN, select.POLLIN)
        if self._to_editor.waiting_bytes:
            poller.register(_STDOUT, select.POLLOUT)
        return poller

    def _timeout_ms(self) -> float | None:
        """Return how long to wait at most; None without end."""
        now_s = time.monotonic()
        waits_s = [self._ends_s - now_s]
        if self._mode is not None and not self._ending and not self._is_alone():
            waits_s.append(self._link.due_s())
        if self._editor is not None and not self._ending:
            waits_s.append(self._looked_s + _PROCESS_EVERY_S - now_s)
        shortest_s = min(waits_s)
        return None if shortest_s == float("inf") else max(0.0, shortest_s * 1e3 + 1)

    def _is_alone(self) -> bool:
        """Return whether no daemon is wanted any more: the editor has shut down."""
        return self._session.shut_down and self._link.wire is None

    def _read(self) -> None:
        """Take what the editor sends."""
        try:
            chunk = os.read(_STDIN, _CHUNK_BYTES)
        except OSError:
            chunk = b""
        if not chunk:
            self._end("end of input")
            return
        if self._mode is None:
            self._raw += chunk
        for event in self._frames.feed(chunk):
            if self._mode is None and self._decide(event):
                return
            self._take(event)
            if self._ending:
                return

    def _decide(self, event: Frame | SkippedFrame | UnreadableStream) -> bool:
        """Choose, at the first message; return whether for an engine of its own."""
        first = AttachedSession()
        if isinstance(event, Frame):
            first.from_editor(event.body)
        mode = self._mode_of(first.options)
        if mode is DaemonMode.NEVER:
            self._own = OwnEngine(ahead=self._raw)
            return True
        self._mode = mode
        self._raw = b""
        return False

    def _take(self, event: Frame | SkippedFrame | UnreadableStream) -> None:
        """Take one message of the editor."""
        if isinstance(event, UnreadableStream):
            self._log.write("stream.unreadable", why=event.reason)
            self._end("unreadable input")
            return
        if isinstance(event, SkippedFrame):
            routed = self._session.skipped(event)
        else:
            routed = self._session.from_editor(event.body)
            # What was answered here is not for an engine of our own any more.
            if not self._was_served and not routed.to_editor:
                self._ahead.append(event.body)
        self._link.send(*routed.to_daemon)
        self._send(routed.to_editor)
        if self._editor is None and self._session.process_id is not None:
            self._editor = EditorProcess(self._session.process_id)
        if self._session.exited:
            self._end("exit")

    def _send(self, bodies: list[bytes]) -> None:
        """Queue messages to the editor."""
        for body in bodies:
            self._to_editor.put(encode_frame(body))

    def _receive(self, wire: Wire) -> None:
        """Take what the daemon sends."""
        was_greeted = wire.greeted
        try:
            bodies = wire.receive()
        except DaemonError as error:
            self._lose()
            self._fail(error)
            return
        if bodies is None:
            self._lose()
            return
        if wire.greeted and not was_greeted:
            self._was_served = True
            self._ahead.clear()
            self._log.write("daemon.attached", log=wire.log)
            self._send(self._session.back())
        for body in bodies:
            self._send(self._session.from_daemon(body))

    def _lose(self) -> None:
        """Go on without the daemon that has gone."""
        ending = self._session.ending
        if not self._ending:
            self._log.write("daemon.lost", ending=ending)
            self._send(self._session.lost())
        self._link.lose(ending=ending)

    def _look(self) -> None:
        """Look for a daemon, and whether the editor still runs, if it is time."""
        now_s = time.monotonic()
        if self._editor is not None and now_s >= self._looked_s + _PROCESS_EVERY_S:
            self._looked_s = now_s
            if self._editor.has_ended():
                self._send(self._session.refuse(NO_EDITOR))
                self._end("editor has ended")
        if self._mode is None or self._ending or self._is_alone():
            return
        try:
            if self._link.tick():
                self._link.send(*self._session.connected())
        except DaemonError as error:
            if self._link.wire is not None:
                self._lose()
            self._fail(error)

    def _fail(self, error: DaemonError) -> None:
        """Do without a daemon, as the settings want it."""
        self._log.write("daemon.failed", what=error.what)
        if not self._was_served and self._mode is DaemonMode.AUTO:
            frames = b"".join(map(encode_frame, self._ahead))
            self._own = OwnEngine(ahead=frames + self._frames.rest(), why=str(error))
        elif not self._was_served:
            self._send(self._session.refuse(str(error)))
            self._end(f"no daemon: {error}")
        else:
            self._send(self._session.failed(str(error)))

    def _flush(self) -> None:
        """Write what can be written."""
        # What a daemon that has gone has sent before is still to be read.
        with suppress(OSError):
            self._link.flush()
        try:
            self._to_editor.flush()
            is_lost = self._to_editor.waiting_bytes > _MAX_UNREAD_BYTES
        except OSError:
            is_lost = True
        if is_lost:
            self._end("editor does not read")
            self._is_over = True

    def _end(self, reason: str) -> None:
        """Begin the end; the first reason counts."""
        if not self._ending:
            self._ending = reason
            self._ends_s = time.monotonic() + _END_DEADLINE_S

    def _may_end(self) -> bool:
        """Return whether everything is written that there is time for."""
        if time.monotonic() >= self._ends_s:
            return True
        self._link.half_close()
        return self._link.wire is None and not self._to_editor.waiting_bytes
