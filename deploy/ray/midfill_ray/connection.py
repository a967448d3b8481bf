"""Connects to a Ray: one that is started on this machine, or that of a cluster."""

import argparse
import contextlib
import logging
import math
import os
import socket
from collections.abc import Callable, Iterator

import ray
from ray import serve
from ray.serve.config import HTTPOptions

from lsp_server.errors import ConfigError, EngineStartError
from midfill_ray.local_ray import start_ray
from midfill_ray.options import RayOptions

__all__ = ["attached", "connected"]

_LOCAL = "local"
_CONNECT_S = 5.0
_STORE_BYTES = 100_000_000
"""Ray's shared memory on one machine: no large object is ever put into it."""


@contextlib.contextmanager
def connected(
    arguments: argparse.Namespace, options: RayOptions, say: Callable[[str], object]
) -> Iterator[None]:
    """Connect to the named Ray, or start one, and run Ray Serve there for the block.

    Args:
        arguments: The command's.
        options: The application's.
        say: Takes a sentence for people where one of its own takes long to start.

    Raises:
        ConfigError: There is none.
        EngineStartError: Ray does not start here.
    """
    if arguments.address is not None:
        with attached(arguments.address):
            serve.start()
            yield
        return
    _require_token()
    replicas = options.max_replicas * options.num_cpus
    # Twice, so that another model can take over.
    cpus = 2 * (replicas + options.ingress_replicas * options.ingress_cpus)
    start_ray(
        lambda: ray.init(
            address=_LOCAL,
            # Where the replicas ask for more CPUs than there are, they share those.
            num_cpus=max(math.ceil(cpus), os.cpu_count() or 1),
            include_dashboard=False,
            object_store_memory=_STORE_BYTES,
            logging_level=logging.WARNING,
        ),
        say,
    )
    try:
        _require_gpus(options)
        _start_serve(arguments.host, arguments.port)
        yield
        serve.shutdown()
    finally:
        ray.shutdown()


def _require_gpus(options: RayOptions) -> None:
    """Check that Ray has found as many GPUs as the replicas ask for.

    Raises:
        ConfigError: It has not.
    """
    asked = options.num_gpus * options.min_replicas
    found = int(ray.cluster_resources().get("GPU", 0))
    if asked > found:
        raise ConfigError(
            f"{options.min_replicas} replicas of {options.num_gpus} GPUs ask for "
            f"{asked}, and Ray finds {found} on this machine",
            subject="--option num_gpus",
            remedy="Leave it out to compute on the CPU, ask for fewer, or have "
            "`midfill doctor` say why a GPU is not found",
        )


def _start_serve(host: str, port: int) -> None:
    """Start Ray Serve's HTTP proxy on an address.

    Raises:
        EngineStartError: It does not.
    """
    try:
        serve.start(http_options=HTTPOptions(host=host, port=port))
    except TimeoutError as error:
        raise EngineStartError(
            str(error),
            subject="Ray Serve",
            remedy="Try again when the machine has less to do",
        ) from error
    except Exception as error:
        # Ray raises what its actor died of, in a class made for that.
        raise EngineStartError(
            "Ray Serve cannot listen there",
            subject=f"{host}:{port}",
            remedy="See whether the address is one of this machine and the port is "
            "free, or choose others with --host and --port",
        ) from error


def _require_token() -> None:
    """Check that nobody can use Ray without its token, which is Ray's own default.

    Raises:
        ConfigError: The environment says otherwise.
    """
    mode = os.environ.get("RAY_AUTH_MODE", "token")
    if mode.lower() != "token":
        raise ConfigError(
            "Ray listens on every address of this machine, and runs what it is sent",
            subject=f"RAY_AUTH_MODE={mode}",
            remedy="Unset it: then Ray asks for the token in ~/.ray/auth_token",
        )


@contextlib.contextmanager
def attached(address: str) -> Iterator[None]:
    """Connect to a running Ray cluster for as long as the block lasts.

    Raises:
        ConfigError: There is none.
    """
    try:
        host, _, port = address.rpartition(":")
        if port.isdecimal():
            # Ray itself would try for minutes.
            socket.create_connection((host, int(port)), timeout=_CONNECT_S).close()
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, RuntimeError) as error:
        raise ConfigError(
            "no Ray answers there",
            subject=f"--address {address}",
            remedy="`midfill ray serve` starts one on this machine; a cluster also "
            "wants its token, in ~/.ray/auth_token or RAY_AUTH_TOKEN",
        ) from error
    try:
        yield
    finally:
        ray.shutdown()
