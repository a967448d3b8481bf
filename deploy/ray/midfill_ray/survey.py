"""What ``midfill ray status`` shows: the application, and each of its replicas."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ray import serve
from ray.exceptions import RayError
from ray.serve.exceptions import RayServeException

from midfill_ray.causes import Trouble, troubles_of
from midfill_ray.options import ENGINES, INGRESS, ROSTER
from midfill_ray.reports import Report, Status

__all__ = ["Survey", "engines_of", "survey"]

_NOT_THERE = "NOT_DEPLOYED"
_LIMIT_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """An application as it is now.

    Attributes:
        application: Its name.
        status: Its state, in Ray Serve's word.
        troubles: Why it does not work, each with what to do; empty if it does.
        replicas: How many replicas each deployment has in each state.
        engines: What the replicas with an engine last said of themselves.
        ingress: The same of those that hold the clients' connections.
    """

    application: str
    status: str
    troubles: tuple[Trouble, ...]
    replicas: dict[str, dict[str, int]]
    engines: tuple[Status, ...]
    ingress: tuple[Status, ...]

    def lines(self) -> Iterator[str]:
        """Yield the lines that show it."""
        yield f"Midfill on Ray, application {self.application}: {self.status}"
        for trouble in self.troubles:
            of = (
                f"{trouble.deployment} {trouble.status}: " if trouble.deployment else ""
            )
            yield f"  {of}{trouble.cause}"
        # The replicas of an application mostly have the same settings.
        for problem in sorted({p for each in self._statuses for p in each.problems}):
            yield f"  setting left out: {problem}"
        for name, states in self.replicas.items():
            counted = ", ".join(f"{count} {state}" for state, count in states.items())
            yield f"  {name}: {counted or 'no replicas'}"
        for each in self.engines:
            ready = "ready" if each.is_ready else f"not ready ({each.news})"
            yield (
                f"  engine {each.replica}: {each.model} ({each.engine}, "
                f"{each.device}), {ready}, {each.running} running, "
                f"{each.waiting} waiting, {each.taken} taken"
            )

    @property
    def _statuses(self) -> tuple[Status, ...]:
        return (*self.engines, *self.ingress)


def survey(name: str) -> Survey:
    """Return the state of an application and of its engines.

    Args:
        name: Its name.
    """
    found = serve.status().applications
    # While another model takes over there are two with engines.
    names = [each for each in (name, *engines_of(name)) if each in found]
    statuses = [
        report.status
        for each in names
        if ROSTER in found[each].deployments
        for report in _reports(each)
    ]
    replicas: dict[str, dict[str, int]] = {}
    for each in names:
        for deployment, overview in found[each].deployments.items():
            key = deployment if deployment not in replicas else f"{each} {deployment}"
            replicas[key] = dict(overview.replica_states)
    return Survey(
        application=name,
        status=found[names[0]].status.value if names else _NOT_THERE,
        # What the ingress waits for comes first.
        troubles=tuple(
            trouble for each in reversed(names) for trouble in troubles_of(found[each])
        ),
        replicas=replicas,
        engines=tuple(each for each in statuses if each.deployment == ENGINES),
        ingress=tuple(each for each in statuses if each.deployment == INGRESS),
    )


def engines_of(name: str) -> list[str]:
    """Return the names of the applications of engines that an application uses."""
    return sorted(
        each
        for each in serve.status().applications
        if each.startswith(f"{name}-engines-")
    )


def _reports(name: str) -> Sequence[Report]:
    """Return what the roster knows; nothing where it does not answer."""
    try:
        roster = serve.get_deployment_handle(ROSTER, name)
        reports: list[Report] = roster.reports.remote().result(timeout_s=_LIMIT_S)
    except (RayError, RayServeException, TimeoutError):
        return ()
    return reports
