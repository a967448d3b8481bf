"""Checks the way to a team server, where the settings name one."""

from lsp_server.client.team_dialling import try_team_server
from lsp_server.client.team_server import TeamSettings
from lsp_server.config import DaemonConfig
from lsp_server.doctor.findings import Finding, failure, ok
from lsp_server.errors import DaemonError

__all__ = ["check_team_server"]


def check_team_server(config: DaemonConfig) -> Finding:
    """Connect as an editor does, with the same key and certificates, and leave."""
    name = "team server"
    settings = TeamSettings(
        url=config.url, key_file=config.key_file, ca_file=config.ca_file
    )
    try:
        try_team_server(settings)
    except DaemonError as error:
        remedy = error.remedy[:1].lower() + error.remedy[1:]
        return failure(name, f"{error.subject}: {error.what}", remedy)
    return ok(
        name,
        f"{settings.url} lets this user in, and completes in place of this machine",
    )
