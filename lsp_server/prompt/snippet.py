"""A piece of another file, offered as context."""

from dataclasses import dataclass

__all__ = ["Snippet"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Snippet:
    """A ranked piece of another file, offered as context.

    Attributes:
        path: The file's path relative to the project, with forward slashes.
        text: The piece itself.
        score: How well it fits; higher is better.
    """

    path: str
    text: str
    score: float
