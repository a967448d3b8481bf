"""How ``midfill daemon status`` shows a daemon."""

from pathlib import Path

from lsp_server.daemon.status import DaemonStatus

__all__ = ["start_warnings", "status_lines"]

_MIB = 1 << 20


def status_lines(status: DaemonStatus) -> list[str]:
    """Return the lines that show a daemon."""
    lines = [
        f"Midfill's daemon {status.version}: process {status.process_id}",
        f"  up {_duration(status.uptime_s)}",
        f"  listens on {status.address}",
        f"  logs to {status.log or 'stderr'}",
    ]
    for engine in status.engines:
        where = f" on {engine.device}" if engine.device else ""
        is_news = engine.what and engine.state != "ready"
        what = f": {engine.what}" if is_news else ""
        lines.append(
            f"  engine {engine.model}{where}: {engine.state}{what}, "
            f"{_counted(engine.restarts, 'restart')}, "
            f"{_counted(engine.connections, 'editor')}"
        )
    lines += [
        f"  memory of {each.name} (process {each.process_id}): "
        f"{each.memory_bytes / _MIB:.0f} MiB"
        for each in status.processes
    ]
    for each in status.connections:
        rate = each.cached_tokens / each.prompt_tokens if each.prompt_tokens else 0
        editor = f"{each.editor or 'unknown editor'} {each.version}".rstrip()
        lines.append(
            f"  {each.name}: {editor}, {_counted(each.documents, 'document')}, "
            f"{_counted(each.requests, 'request')}, {rate:.0%} of prompts cached, "
            f"since {_duration(each.connected_s)}"
        )
    return [*lines, *(f"  warning: {each}" for each in status.warnings)]


def start_warnings(
    status: DaemonStatus, *, unread: Path | None = None, team: str = ""
) -> tuple[str, ...]:
    """Return what somebody who starts a daemon should know besides.

    Args:
        status: What the daemon says of itself.
        unread: The settings file that was named to a daemon which ran already.
        team: The team server that editors use in its place; empty for none.
    """
    found = list(status.warnings)
    if found:
        found.append(
            "Editors are served all the same. After a change, `midfill daemon restart` "
            "reads the settings."
        )
    if unread is not None:
        found.append(
            f"{unread}: this file was not used, because the daemon runs already. "
            f"`midfill daemon restart --config {unread}` uses it."
        )
    if team:
        found.append(
            f"Editors use the team server {team}, as daemon.url says, and no daemon."
        )
    return tuple(found)


def _counted(count: int, what: str) -> str:
    """Return a number of things in words."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _duration(seconds: float) -> str:
    """Return a duration in the two largest units."""
    minutes, rest_s = divmod(int(seconds), 60)
    hours, rest_min = divmod(minutes, 60)
    if hours:
        return f"{hours} h {rest_min} min"
    return f"{rest_min} min {rest_s} s" if minutes else f"{rest_s} s"
