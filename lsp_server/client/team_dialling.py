"""Finds a team server again and again, without the attached server waiting for it."""

import threading
import time
from collections.abc import Callable

from lsp_server.client.team_server import Route, TeamSettings
from lsp_server.client.websocket_wire import WebsocketWire
from lsp_server.errors import DaemonError
from lsp_server.operating_system import reason_of

__all__ = ["TeamDialling", "try_team_server"]

_GIVE_UP_AFTER_S = 10.0
_LOOK_EVERY_S = 0.02
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 30.0


def try_team_server(settings: TeamSettings) -> None:
    """Connect as an editor does, with the same key and certificates, and leave.

    Raises:
        DaemonError: A setting is wrong, or the server cannot be reached or refuses.
    """
    route = Route.of(settings)
    try:
        route.dial().close()
    except OSError as error:
        raise _unreached(route, error) from error


class TeamDialling:
    """Connects to a team server, for as often as the connection is lost.

    Args:
        settings: Where it is.
        gives_up_after_s: For so long a server is looked for that was never there.
    """

    def __init__(
        self, settings: TeamSettings, *, gives_up_after_s: float = _GIVE_UP_AFTER_S
    ) -> None:
        """Note the settings; they are checked, and files read, for each attempt."""
        self._settings = settings
        self._gives_up_after_s = gives_up_after_s
        self._was_there = False

    def watch(self) -> WebsocketWire | None:
        """Return None: a team server does not say that it was stopped for good."""
        return None

    def start(self) -> "_Attempt":
        """Return an attempt; one that has nobody to go back to ends after a while.

        Raises:
            DaemonError: A setting is wrong, or the key cannot be read.
        """
        route = Route.of(self._settings)
        gives_up_s = float("inf") if self._was_there else self._gives_up_after_s
        return _Attempt(route, gives_up_s, self._arrived)

    def _arrived(self) -> None:
        """Note that the server has been reached."""
        self._was_there = True


class _Attempt:
    """Tries to connect in a thread, with growing pauses.

    Args:
        route: The way to the server.
        gives_up_s: After so many seconds a server that cannot be reached is an error.
        arrived: Called when it was reached.
    """

    def __init__(
        self, route: Route, gives_up_s: float, arrived: Callable[[], None]
    ) -> None:
        self._route = route
        self._gives_up_s = time.monotonic() + gives_up_s
        self._arrived = arrived
        self._found: WebsocketWire | DaemonError | OSError | None = None
        self._thread: threading.Thread | None = None
        self._pause_s = 0.0
        self._next_s = 0.0

    def pause_s(self) -> float:
        """Return in how many seconds to look again."""
        if self._thread is not None:
            return _LOOK_EVERY_S
        return max(0.0, self._next_s - time.monotonic())

    def look(self) -> WebsocketWire | None:
        """Return the connection, if there is one by now.

        Raises:
            DaemonError: The server refuses, or could not be reached for too long.
        """
        if self._thread is None:
            self._thread = threading.Thread(target=self._try, daemon=True)
            self._thread.start()
        if self._thread.is_alive():
            return None
        self._thread = None
        match self._found:
            case WebsocketWire():
                self._arrived()
                return self._found
            case DaemonError():
                raise self._found
            case OSError():
                self._wait(self._found)
        return None

    def _wait(self, error: OSError) -> None:
        """Pause before the next try, if there is one.

        Raises:
            DaemonError: There is none.
        """
        if time.monotonic() >= self._gives_up_s:
            raise _unreached(self._route, error)
        longer_s = max(_FIRST_PAUSE_S, 2 * self._pause_s)
        self._pause_s = min(_LONGEST_PAUSE_S, longer_s)
        self._next_s = time.monotonic() + self._pause_s

    def _try(self) -> None:
        """Connect once; runs in the thread."""
        try:
            self._found = self._route.dial()
        except (DaemonError, OSError) as error:
            self._found = error


def _unreached(route: Route, error: OSError) -> DaemonError:
    """Make the error about a server that does not answer."""
    return DaemonError(
        f"it cannot be reached ({reason_of(error)})",
        subject=route.subject,
        remedy="See whether it runs, and whether daemon.url is right",
    )
