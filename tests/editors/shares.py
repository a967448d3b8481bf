"""How workers share the tests of editors: what goes together, and in which order."""

from xdist.scheduler import (  # type: ignore[import-untyped]  # it has no types
    LoadFileScheduling,
)

__all__ = ["Shares"]

ONE_WINDOW = ("test_api.py", "test_faults.py", "test_restarts.py")
"""Modules of VS Code that share a window: opening one costs as much as many tests."""


class Shares(LoadFileScheduling):  # type: ignore[misc]  # its class has no types
    """Gives a worker a module at a time, or the modules that share a window.

    They go out in the order of their collection. So no Neovim follows a VS Code in a
    worker, where Playwright keeps an event loop running beside which pynvim's cannot.
    """

    def _split_scope(self, nodeid: str) -> str:
        module: str = super()._split_scope(nodeid)
        folder, _, name = module.rpartition("/")
        return f"{folder} in one window" if name in ONE_WINDOW else module
