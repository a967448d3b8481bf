"""Midfill: fill-in-the-middle code completion over the Language Server Protocol."""

__all__ = ["__version__"]

#: As in ``pyproject.toml``. The installed metadata takes too long to read where
#: `midfill serve` attaches to the daemon.
__version__ = "0.1.0"
