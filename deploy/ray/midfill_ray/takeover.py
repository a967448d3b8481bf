"""Deploys, and has another model take over from the one that serves.

The engines are an application of their own, one for each model, and the ingress uses
one of them. So another model's engines start beside those that serve; then new ingress
replicas, which use them, take the place of the old ones; and the old engines end when
the last old ingress has. Every answer comes from one ingress, so from one model.
"""

import hashlib
import json
import time
from collections.abc import Callable

from ray import serve
from ray.serve.schema import ApplicationStatusOverview, ReplicaState

from lsp_server.errors import ConfigError, EngineStartError
from midfill_ray.application import build, build_engines
from midfill_ray.causes import cause_of
from midfill_ray.options import ENGINES, INGRESS, RayOptions
from midfill_ray.survey import engines_of, survey

__all__ = ["deploy", "end", "engines_name"]

_KEY_DIGITS = 8
_POLL_S = 0.5
_ENDING_S = 30.0
"""How much longer than its drain an old ingress may take to end."""


def engines_name(name: str, options: RayOptions) -> str:
    """Return the name of the application of engines for a model.

    Args:
        name: The name of the application that clients reach.
        options: Its options; the settings of the model decide.
    """
    model = json.dumps(options.settings.get("model", {}), sort_keys=True, default=str)
    return f"{name}-engines-{hashlib.sha256(model.encode()).hexdigest()[:_KEY_DIGITS]}"


def deploy(
    options: RayOptions, name: str, say: Callable[[str], object] = lambda _text: None
) -> None:
    """Deploy an application, perhaps over one that serves, and wait until it does.

    Args:
        options: Its options.
        name: Its name.
        say: Takes a sentence for people where another model takes over.

    Raises:
        ConfigError: What serves under the name was not deployed by this.
        EngineStartError: It does not serve; what served before still does.
    """
    before = set(engines_of(name))
    engines = engines_name(name, options)
    found = serve.status().applications
    serves = name in found
    if serves and ENGINES in found[name].deployments:
        raise ConfigError(
            "it was deployed from a file, with engines of its own",
            subject=f"application {name}",
            remedy="Change that file and deploy it again, or choose another --name",
        )
    if serves and engines not in before:
        say("Another model takes over: its engines start beside those that serve.")
    try:
        _run(build_engines, options, engines)
        ingress = options.model_copy(update={"engines_of": engines})
        _run(build, ingress, name, route="/")
    except BaseException:
        if engines not in before:
            serve.delete(engines)
        if not serves:
            serve.delete(name)
        raise
    old = before - {engines}
    if old:
        _wait_for_old_ingress(name, limit_s=options.drain_s + _ENDING_S)
    for each in old:
        serve.delete(each)


def end(name: str) -> None:
    """End an application, its engines last; running requests are completed."""
    serve.delete(name)
    for each in engines_of(name):
        serve.delete(each)


def _run(
    make: Callable[[dict[str, object]], serve.Application],
    options: RayOptions,
    name: str,
    *,
    route: str | None = None,
) -> None:
    """Deploy one application, and wait until it runs.

    Raises:
        EngineStartError: It does not.
    """
    try:
        serve.run(make(options.model_dump()), name=name, route_prefix=route)
    except RuntimeError as error:
        found = survey(name).troubles
        cause = found[0].cause if found else cause_of(str(error))
        raise EngineStartError(
            cause, subject=f"application {name}", remedy=""
        ) from error


def _wait_for_old_ingress(name: str, *, limit_s: float) -> None:
    """Wait until the ingress replicas that were there before have ended."""
    ends_s = time.monotonic() + limit_s
    while time.monotonic() < ends_s:
        application = serve.status().applications[name]
        if not _has_others(application):
            return
        time.sleep(_POLL_S)


def _has_others(application: ApplicationStatusOverview) -> bool:
    """Return whether an ingress replica starts or ends."""
    states = application.deployments[INGRESS].replica_states
    return any(
        count for state, count in states.items() if state != ReplicaState.RUNNING
    )
