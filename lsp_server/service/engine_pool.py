"""The engines of one process: how many there are, and which connection gets which."""

import asyncio
import dataclasses
from collections import Counter
from collections.abc import Callable, Collection

from lsp_server.config import AdmissionConfig, Config, EngineKind
from lsp_server.engine.base import Engine
from lsp_server.engine.start_progress import StartProgress
from lsp_server.engine_values import EngineState
from lsp_server.errors import (
    ConfigError,
    EngineDeadError,
    MidfillError,
    ModelError,
)
from lsp_server.metrics import Metrics
from lsp_server.service.engine_differences import (
    Setting,
    demands,
    differences,
    missing_model,
    no_model_refusal,
    refusal,
    unmet,
)
from lsp_server.service.engine_host import EngineHost, LoadModel
from lsp_server.service.engine_start import EngineStarter
from lsp_server.service.gate import Elsewhere
from lsp_server.service.loaded_model import LoadedModel

__all__ = ["EnginePool", "Lease"]

_HOLDING = frozenset({EngineState.STARTING, EngineState.READY, EngineState.RESTARTING})
"""The states in which an engine has, or is about to take, the memory of its model."""


class Lease:
    """The use of a host by one connection, until it is released."""

    def __init__(
        self, host: EngineHost, *, refused: str, on_release: Callable[[], None]
    ) -> None:
        """Keep the parts; `EnginePool.acquire` makes leases."""
        self._host = host
        self._refused = refused
        self._on_release = on_release
        self._released = False

    @property
    def host(self) -> EngineHost:
        """The host, which is loading or has loaded."""
        return self._host

    @property
    def refused(self) -> str:
        """Which settings this host does not run with, for the user; empty if none."""
        return self._refused

    def release(self) -> None:
        """End the lease; the host goes on running, and a second call does nothing."""
        if not self._released:
            self._released = True
            self._on_release()


class EnginePool:
    """The hosts of a process; needs a running event loop.

    Args:
        start_engine_of: Returns what starts an engine of a kind; usually `starter_of`.
        max_engines: The most engines that may be loaded at the same time, from 1.
        metrics: Takes what is measured of the hosts and of their users' requests.
        admission: How many requests each engine is given, and how many may wait; no
            connection's settings change that for the others.
        load, elsewhere: As of `EngineHost`.
    """

    def __init__(
        self,
        start_engine_of: Callable[[EngineKind], EngineStarter],
        *,
        max_engines: int,
        metrics: Metrics | None = None,
        admission: AdmissionConfig | None = None,
        load: LoadModel | None = None,
        elsewhere: Elsewhere | None = None,
    ) -> None:
        self._elsewhere = elsewhere
        self._admission = admission or AdmissionConfig()
        self._metrics = metrics
        self._load = load
        self._start_engine_of = start_engine_of
        self._max_engines = max_engines
        self._hosts: list[EngineHost] = []
        self._leases: Counter[EngineHost] = Counter()
        self._endings: set[asyncio.Task[None]] = set()
        self._closed = False

    @property
    def hosts(self) -> tuple[EngineHost, ...]:
        """The hosts, the oldest first; a replaced one is none of them."""
        return tuple(self._hosts)

    def leases_of(self, host: EngineHost) -> int:
        """Return how many connections use a host."""
        return self._leases[host]

    def acquire(
        self, config: Config, *, stated: Collection[Setting] | None = None
    ) -> Lease:
        """Return the use of a host that runs with these settings, as far as possible.

        In this order: a host that runs with them; a new one if there is room; a new one
        in place of one that nobody uses; the running one that differs least, with
        `Lease.refused` set. A host that was given up takes no room, and is started
        again if nobody used it until now. Where a model is not there, what runs stays,
        and is leased with `Lease.refused` set. Where settings say which model may
        answer (`demands`), a host that failed is leased in place of one with another.

        Args:
            config: What is asked for.
            stated: The settings that the user has made, so that they matter; None if
                all of them do.

        Raises:
            EngineDeadError: The pool was closed.
        """
        if self._closed:
            raise EngineDeadError(
                "the engines were shut down",
                subject="engine",
                remedy="start the server again",
            )
        differing = {host: differences(config, host, stated) for host in self._hosts}

        def distance(host: EngineHost) -> tuple[bool, int]:
            differ = differing[host]
            return bool(demands(config, differ)), len(differ)

        fitting = [host for host in self._hosts if not differing[host]]
        if fitting:
            host = next(filter(_holds_memory, fitting), fitting[0])
            if not _holds_memory(host) and not self._leases[host]:
                host.restart()
            return self._lease(host)
        running = [host for host in self._hosts if _holds_memory(host)]
        if running and (missing := missing_model(config)):
            host = min(running, key=distance)
            return self._share(host, config, differing[host], missing=missing)
        unused = [host for host in self._hosts if not self._leases[host]]
        given_up = [host for host in unused if not _holds_memory(host)]
        for host in given_up:
            self._drop(host)
        replaceable = [host for host in unused if _holds_memory(host)]
        if self._is_full() and replaceable:
            self._drop(replaceable[0])
        if self._is_full():
            host = min(filter(_holds_memory, self._hosts), key=distance)
            return self._share(host, config, differing[host])
        starter = self._in_turn(self._start_engine_of(config.engine.kind))
        held = dataclasses.replace(config, admission=self._admission)
        host = EngineHost(
            held,
            starter,
            metrics=self._metrics,
            load=self._load,
            elsewhere=self._elsewhere,
        )
        self._hosts.append(host)
        host.begin()
        return self._lease(host)

    async def drain(self, limit_s: float) -> int:
        """Take no new requests, and wait for those there are, at most so long.

        Returns:
            How many did not end by themselves, and were aborted.
        """
        async with asyncio.TaskGroup() as group:
            drains = [group.create_task(host.drain(limit_s)) for host in self._hosts]
        return sum(drain.result() for drain in drains)

    async def close(self) -> None:
        """End every engine, and lease none any more. May be called twice."""
        self._closed = True
        while self._hosts:
            self._drop(self._hosts[-1])
        if self._endings:
            await asyncio.wait(set(self._endings))

    def _is_full(self) -> bool:
        """Return whether as many hosts hold memory as may."""
        return sum(map(_holds_memory, self._hosts)) >= self._max_engines

    def _lease(self, host: EngineHost, *, refused: str = "") -> Lease:
        self._leases[host] += 1

        def on_release() -> None:
            self._leases[host] -= 1

        return Lease(host, refused=refused, on_release=on_release)

    def _share(
        self,
        host: EngineHost,
        config: Config,
        differing: Collection[Setting],
        *,
        missing: ModelError | None = None,
    ) -> Lease:
        """Return the use of a host with other settings, unless some demand theirs.

        Args:
            host: The host.
            config: What is asked for.
            differing: The settings that the host does not run with.
            missing: Why the model that is asked for is not there; None if it is.
        """
        if demanded := demands(config, differing):
            error = missing or unmet(config, host.config, demanded)
            return self._lease_of_failure(config, error)
        if missing:
            return self._lease(host, refused=no_model_refusal(host.model_name, missing))
        return self._lease(host, refused=refusal(config, host.config, differing))

    def _lease_of_failure(self, config: Config, error: MidfillError) -> Lease:
        """Return the use of a host that loads nothing, and says why."""

        def load(_: Config) -> LoadedModel:
            raise error

        starter = self._start_engine_of(config.engine.kind)
        host = EngineHost(config, starter, load=load)
        return Lease(host, refused="", on_release=lambda: self._end(host))

    def _drop(self, host: EngineHost) -> None:
        """End a host in the background; later starts wait for its end."""
        self._hosts.remove(host)
        self._end(host)

    def _end(self, host: EngineHost) -> None:
        ending = asyncio.create_task(host.close(), name="engine-replaced")
        self._endings.add(ending)
        ending.add_done_callback(self._endings.discard)

    def _in_turn(self, start_engine: EngineStarter) -> EngineStarter:
        """Return a starter that waits for the memory of engines that end."""

        async def start(
            config: Config, model: LoadedModel, progress: StartProgress
        ) -> Engine:
            if self._endings:
                await asyncio.wait(set(self._endings))
            # One that was given up may be started again when others run meanwhile.
            if sum(map(_holds_memory, self._hosts)) > self._max_engines:
                raise ConfigError(
                    "as many other engines run as may",
                    subject=f"model {model.folder.name}",
                    remedy="close the windows that use them, or raise "
                    "daemon.max_engines",
                )
            return await start_engine(config, model, progress)

        return start


def _holds_memory(host: EngineHost) -> bool:
    """Return whether a host has an engine, or is about to."""
    return host.news.state in _HOLDING
