"""The real server, which also tells what it holds whenever its settings change."""

import asyncio
import itertools
import os
import sys

from lsp_server.protocol.server import run_stdio
from lsp_server.service.backend import Backend
from lsp_server.service.configurator import LayeredConfigurator
from lsp_server.service.local_backend import LocalBackend
from lsp_server.setting_layers import environment_layer


class CountingConfigurator(LayeredConfigurator):
    """Shows the numbers of tasks and of the engine's requests as a message."""

    def __init__(self) -> None:
        super().__init__([environment_layer(os.environ)])
        self._numbers = itertools.count()
        self._made: LocalBackend | None = None

    def initialize(self, options: object) -> tuple[Backend, list[str]]:
        backend, messages = super().initialize(options)
        assert isinstance(backend, LocalBackend)
        self._made = backend
        return backend, messages

    def change(self, options: object) -> list[str]:
        super().change(options)
        assert self._made is not None
        running = self._made.host._supervisor._in_flight
        # No two messages are equal, so each of them is shown.
        number = next(self._numbers)
        return [f"{number}: {len(asyncio.all_tasks())} tasks, {running} requests"]


if __name__ == "__main__":
    sys.exit(run_stdio(CountingConfigurator()))
