"""Why a deployment does not work: Ray Serve's message as a sentence, with what to do.

Ray Serve wraps a replica's own error in a traceback of its actor, and what it knows by
itself in advice about its own tools.
"""

import re
from dataclasses import dataclass

from ray.serve.schema import (
    ApplicationStatus,
    ApplicationStatusOverview,
    DeploymentStatus,
)

__all__ = ["Trouble", "cause_of", "troubles_of"]

_OWN_ERROR = re.compile(r"lsp_server\.errors\.\w+: ")
_ERROR = re.compile(
    r"^\s*((?:\w+\.)*\w+(?:Error|Exception|Exit|Interrupt)\b.*)$", re.MULTILINE
)
_WAITING = re.compile(
    r"to be scheduled\..*each replica: (.+), total resources available: (.+?)\. Use",
    re.DOTALL,
)
_STARTING = re.compile(r"taken more than (\d+)s to initialize")
_END_OF_ERROR = re.compile(r"\n\s*\n|\n\S*Traceback|\n\s+File ")
_LOGS = "The logs of its replicas say more: serve/ in Ray's log folder on their node"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Why a deployment, or the application itself, does not work.

    Attributes:
        deployment: Its name; empty for the application.
        status: Its state, in Ray Serve's word.
        cause: What is wrong and what to do, in sentences.
    """

    deployment: str
    status: str
    cause: str


def troubles_of(application: ApplicationStatusOverview) -> tuple[Trouble, ...]:
    """Return the failing deployments of an application, causes before consequences."""
    wrong = [
        (name, each)
        for name, each in application.deployments.items()
        if each.message and each.status != DeploymentStatus.HEALTHY
    ]
    # The ingress is starting for as long as no replica with an engine is there.
    wrong.sort(key=lambda item: _STARTING.search(item[1].message) is not None)
    found = [
        Trouble(deployment=name, status=each.status.value, cause=cause_of(each.message))
        for name, each in wrong
    ]
    if not found and application.message and _is_down(application.status):
        cause = cause_of(application.message)
        found = [Trouble(deployment="", status=application.status.value, cause=cause)]
    return tuple(found)


def cause_of(message: str) -> str:
    """Return a message of Ray Serve's as sentences, without tracebacks.

    Args:
        message: As in the status of an application or a deployment.
    """
    if own := list(_OWN_ERROR.finditer(message)):
        # Its text says what happened, to what, and what to do.
        return _one_line(_END_OF_ERROR.split(message[own[-1].end() :])[0])
    if waiting := _WAITING.search(message):
        return (
            f"No node has room for a replica: it asks for {waiting[1]}, of which "
            f"{waiting[2]} are there. Add a node that has them, or lower num_gpus, "
            "num_cpus or the number of replicas."
        )
    if starting := _STARTING.search(message):
        return (
            f"Its replicas are still starting, after {starting[1]} s. A model takes "
            f"its time to load. {_LOGS}."
        )
    if errors := _ERROR.findall(message):
        return f"{_one_line(errors[-1]).removesuffix('.')}. {_LOGS}."
    return _one_line(message)


def _is_down(status: ApplicationStatus) -> bool:
    return status in {ApplicationStatus.DEPLOY_FAILED, ApplicationStatus.UNHEALTHY}


def _one_line(text: str) -> str:
    return " ".join(text.split())
