"""``midfill daemon status``: the daemon, or the team server that takes its place."""

import json
from collections.abc import Callable, Mapping

from lsp_server.commands.daemon_display import status_lines
from lsp_server.commands.terminal import printable
from lsp_server.daemon.dial import Reached, ask, connect
from lsp_server.daemon.endpoint import Endpoint, find_endpoint
from lsp_server.daemon.hello import Hello, Purpose
from lsp_server.daemon.lock import holder, is_held
from lsp_server.daemon.status import DaemonStatus
from lsp_server.errors import DaemonError
from lsp_server.raw_settings import DaemonMode, daemon_mode, own_value

__all__ = ["show_status", "status_of", "team_server_name"]


def show_status(*, as_json: bool) -> int:
    """Print what serves this user's editors; return the exit status.

    Args:
        as_json: Whether to print one JSON object.

    Returns:
        0 if it answers: the team server where the settings name one, else the daemon.
    """
    name = team_server_name()
    refusal = _refusal() if name else None
    endpoint = find_endpoint()
    dialled = connect(endpoint)
    status = status_of(lambda: dialled) if dialled else None
    if as_json:
        found: dict[str, object] = {"running": status is not None}
        if name:
            found["team_server"] = _team_values(name, refusal)
        print(json.dumps(found | (status.values() if status else {}), indent=2))
    else:
        lines = _team_lines(name, refusal) if name else []
        lines += status_lines(status) if status else [_absence(endpoint, team=name)]
        print(printable("\n".join(lines)))
    return int(refusal is not None if name else status is None)


def status_of(dial: Callable[[], Reached]) -> DaemonStatus:
    """Ask the daemon for its status.

    Raises:
        DaemonError: It cannot be reached, or answers something else.
    """
    answer = ask(dial(), lambda token: Hello(purpose=Purpose.STATUS, token=token))
    try:
        return DaemonStatus.from_values(answer.values)
    except (TypeError, KeyError) as error:
        raise DaemonError(
            "its status cannot be understood",
            subject="the daemon",
            remedy="Start it again with `midfill daemon restart`",
        ) from error


def team_server_name() -> str:
    """Return the address of the team server that editors use; empty for none.

    What may be a secret in it, behind a question mark, is left out.
    """
    if daemon_mode(None) is DaemonMode.NEVER:
        return ""
    return str(own_value("daemon", "url", None)).partition("?")[0]


def _refusal() -> DaemonError | None:
    """Return why the team server does not serve this user; None if it does."""
    from lsp_server.client.team_dialling import try_team_server  # noqa: PLC0415 - a tenth of a second that others do without
    from lsp_server.client.team_server import TeamSettings  # noqa: PLC0415 - as above

    try:
        try_team_server(TeamSettings.of_user(None))
    except DaemonError as error:
        return error
    return None


def _team_values(name: str, refusal: DaemonError | None) -> Mapping[str, object]:
    """Return what JSON has about the team server."""
    return {
        "url": name,
        "reachable": refusal is None,
        "why": "" if refusal is None else str(refusal),
    }


def _team_lines(name: str, refusal: DaemonError | None) -> list[str]:
    """Return the lines that show the team server."""
    shown = f"Editors use the team server {name}, as daemon.url says."
    found = "It answers, and lets this user in." if refusal is None else str(refusal)
    return [shown, f"  {found}"]


def _absence(endpoint: Endpoint, *, team: str) -> str:
    """Print that no daemon answers, and why."""
    if is_held(endpoint.lock_path):
        process_id = holder(endpoint.lock_path)
        who = f", process {process_id}," if process_id else ""
        return (
            f"Midfill's daemon{who} is starting or ending; it does not answer. "
            "`midfill daemon logs` shows what it does."
        )
    return "No daemon is running" + (" here, and none is needed." if team else ".")
