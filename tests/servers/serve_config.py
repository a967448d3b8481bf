"""Finds what Ray Serve would ignore or misread in a file for `serve deploy`.

Ray's own models drop keys that they do not know, and compare no two numbers: of a typo
nobody learns of it, and the setting that was meant keeps its default.
"""

import types
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from ray.runtime_env import RuntimeEnv
from ray.serve.config import AutoscalingConfig
from ray.serve.schema import ServeDeploySchema

from lsp_server.errors import MidfillError

__all__ = ["faults"]

CheckArguments = Callable[[Mapping[str, object]], object]


def faults(document: object, *, check_arguments: CheckArguments) -> list[str]:
    """Return a sentence for each fault of a parsed file; none is a sound one.

    Args:
        document: What the file holds.
        check_arguments: Raises an error of ours for wrong `args` of an application.
    """
    found = list(_unknown(document, ServeDeploySchema, ""))
    if found or not isinstance(document, Mapping):
        return found or ["it is no mapping"]
    found += _invalid(document, ServeDeploySchema, "the file")
    for application in document["applications"]:
        place = f"applications.{application['name']}"
        try:
            check_arguments(application.get("args", {}))
        except MidfillError as error:
            found.append(f"{place}: {error}")
        for deployment in application.get("deployments", ()):
            found += _misread(deployment, f"{place}.{deployment['name']}")
    return found


def _invalid(value: object, model: type[BaseModel], place: str) -> Iterator[str]:
    """Yield what a model refuses, or says that it is going to refuse."""
    with warnings.catch_warnings(record=True) as warned:
        # Ray calls `metrics_interval_s` deprecated, and reads nothing in its stead.
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("always", FutureWarning)
        try:
            model.model_validate(value)
        except ValidationError as error:
            yield f"{place}: {error}"
    yield from (f"{place}: {warning.message}" for warning in warned)


def _unknown(value: object, expected: object, place: str) -> Iterator[str]:
    """Yield the keys that no model knows, wherever a model is expected."""
    for choice in get_args(expected) if _is_union(expected) else (expected,):
        if isinstance(choice, type) and issubclass(choice, BaseModel):
            yield from _unknown_to(choice, value, place)
        elif get_origin(choice) is list and isinstance(value, list):
            for number, inner in enumerate(value):
                yield from _unknown(inner, get_args(choice)[0], f"{place}[{number}]")


def _unknown_to(model: type[BaseModel], value: object, place: str) -> Iterator[str]:
    """Yield the keys that a model, or one inside it, does not know."""
    if not isinstance(value, Mapping):
        yield f"{place}: it is no {model.__name__}"
        return
    for key, inner in value.items():
        inside = f"{place}.{key}".lstrip(".")
        field = model.model_fields.get(key)
        if field is None:
            yield f"{inside}: {model.__name__} has no such key"
        elif key == "runtime_env":
            for word in set(inner) - RuntimeEnv.known_fields:
                yield f"{inside}.{word}: a runtime_env has no such key"
        else:
            yield from _unknown(inner, field.annotation, inside)


def _is_union(expected: object) -> bool:
    return get_origin(expected) in (Union, types.UnionType)


def _misread(deployment: Mapping[str, object], place: str) -> Iterator[str]:
    """Yield the numbers that contradict each other."""
    written = deployment.get("autoscaling_config")
    most = deployment.get("max_ongoing_requests")
    if not isinstance(written, Mapping):
        return
    if "num_replicas" in deployment:
        yield f"{place}: num_replicas and autoscaling_config exclude each other"
    scaling = AutoscalingConfig.model_construct(**written)
    first = (
        scaling.min_replicas
        if scaling.initial_replicas is None
        else scaling.initial_replicas
    )
    if not scaling.min_replicas <= first <= scaling.max_replicas:
        yield f"{place}: not min_replicas <= initial_replicas <= max_replicas"
    target = scaling.target_ongoing_requests
    if target is not None and isinstance(most, int) and most < target:
        yield f"{place}: max_ongoing_requests is below target_ongoing_requests"
