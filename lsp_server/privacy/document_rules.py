"""Which documents are private, by the URIs that editors give them."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from lsp_server.privacy.path_rules import Exclusion, PathRules

__all__ = ["DocumentRules", "Place", "place_of"]

_FRESH_S = 5.0
"""So long an answer about a document holds, so that most keys ask no thread."""

_MOST_DOCUMENTS = 1000
_HERE = frozenset({"", "localhost"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a document is, as far as its URI says it.

    Attributes:
        path: Its path; of a document without one, its name.
        is_here: Whether it is, or would be when it is saved, a file of this machine.
    """

    path: PurePosixPath
    is_here: bool


def place_of(uri: str) -> Place:
    """Return where a document is.

    The cell of a notebook is where the notebook is; what a version control system
    shows, and ``untitled:`` with a path, are where the path says. Paths of Windows and
    of other hosts have names, but are not here.
    """
    try:
        parts = urlsplit(uri)
        scheme_is_drive = len(parts.scheme) == 1
        path, host = unquote(parts.path), parts.netloc
    except ValueError:  # for example brackets that hold no IPv6 address
        return Place(path=_posix(uri), is_here=False)
    is_here = path.startswith("/") and host in _HERE and not scheme_is_drive
    return Place(path=PurePosixPath(path) if is_here else _posix(path), is_here=is_here)


class DocumentRules:
    """Says which documents of one connection are private, at little cost for each key.

    Args:
        paths: The rules; called in a thread.
        clock: Returns the time in seconds.
    """

    def __init__(
        self, paths: PathRules, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._paths = paths
        self._clock = clock
        self._known: dict[str, tuple[Exclusion | None, float]] = {}

    async def exclusion(self, uri: str) -> Exclusion | None:
        """Return why a document is private; None where it is not."""
        now_s = self._clock()
        known = self._known.get(uri)
        if known is not None and now_s - known[1] < _FRESH_S:
            return known[0]
        found = await asyncio.to_thread(self._look_up, uri)
        if len(self._known) >= _MOST_DOCUMENTS:
            self._known.clear()
        self._known[uri] = found, now_s
        return found

    def _look_up(self, uri: str) -> Exclusion | None:
        place = place_of(uri)
        return self._paths.exclusion(place.path, is_here=place.is_here)


def _posix(path: str) -> PurePosixPath:
    r"""Return a path with ``/`` in the place of ``\``."""
    return PurePosixPath(path.replace("\\", "/"))
