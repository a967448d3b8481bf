"""Types of the fixtures."""

from collections.abc import Callable

from neovim_driver import Neovim

__all__ = ["Started"]

Started = Callable[..., Neovim]
"""Starts a Neovim with arguments, and with variables added to its environment."""
