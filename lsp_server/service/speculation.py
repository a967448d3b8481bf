"""Generates the completion after an accepted one before anybody asks for it.

The shown suggestion is taken for accepted: the cursor stands behind it, or, where
nothing would come up there, on the next line. The generation has the lowest priority of
those that write, and ends with the first change that leads elsewhere.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from lsp_server.context.cursor import CursorContext
from lsp_server.service.generation import Generation
from lsp_server.service.trigger import why_unwelcome
from lsp_server.text import with_line_feeds
from lsp_server.values import Snapshot, Trigger

__all__ = ["Speculation", "Speculator", "after_accepting"]

_INDENTED = re.compile(r"\n([ \t]+)\S")
_UNIT = "    "


@dataclass(frozen=True, slots=True, kw_only=True)
class Speculation:
    """A generation for a cursor at which the user may be soon.

    Attributes:
        shown_at: The cursor at which the suggestion is shown.
        target: The cursor after it, for which is generated.
        generation: Generates.
    """

    shown_at: Snapshot
    target: Snapshot
    generation: Generation

    def leads_from(self, text: str) -> bool:
        """Return whether a document of this text may become that of the target."""
        before, after = self.shown_at.before, self.shown_at.after
        if len(text) < len(before) + len(after):
            return False
        if not text.startswith(before) or not text.endswith(after):
            return False
        typed = with_line_feeds(text[len(before) : len(text) - len(after)])
        made = with_line_feeds(self.target.text[len(before) : self.target.offset])
        return made.startswith(typed)


def after_accepting(snapshot: Snapshot, text: str) -> Snapshot | None:
    """Return the document after a suggestion is accepted, with the cursor to go on at.

    That is behind the suggestion, or on a new line below it if no suggestion comes up
    by itself behind it. None if none comes up there either.

    Args:
        snapshot: The document and the cursor at which the suggestion is shown.
        text: The suggestion.
    """
    accepted = _with(snapshot, text)
    if _is_welcome(accepted):
        return accepted
    if accepted.line_after.strip():
        return None
    below = _with(accepted, "\n" + _indentation_below(CursorContext.of(accepted)))
    return below if _is_welcome(below) else None


def _with(snapshot: Snapshot, text: str) -> Snapshot:
    """Return the snapshot with a text put in, and the cursor behind it."""
    before = snapshot.before + text
    return replace(snapshot, text=before + snapshot.after, offset=len(before))


def _is_welcome(snapshot: Snapshot) -> bool:
    """Return whether a suggestion comes up by itself at the cursor."""
    return why_unwelcome(CursorContext.of(snapshot), Trigger.AUTOMATIC) is None


def _indentation_below(cursor: CursorContext) -> str:
    """Return the blanks that an editor begins the line below the cursor's with."""
    line = cursor.line_before
    blanks = line[: len(line) - len(line.lstrip(" \t"))]
    if not line.rstrip().endswith((":", "{", "(", "[")):
        return blanks
    indented = _INDENTED.search("\n" + "\n".join(cursor.lines_above))
    unit = blanks or (indented[1] if indented else _UNIT)
    return blanks + ("\t" if unit.startswith("\t") else _UNIT)


class Speculator:
    """Begins and ends the speculation of one connection; there is at most one.

    Args:
        generate: Begins a generation for a cursor that nobody has asked at.
        may_begin: Returns whether the engine has time for it.
    """

    def __init__(
        self,
        generate: Callable[[Snapshot, str], Generation],
        may_begin: Callable[[], bool],
    ) -> None:
        self._generate = generate
        self._may_begin = may_begin
        self._current: Speculation | None = None

    def running_for(self, snapshot: Snapshot) -> Generation | None:
        """Return the generation that a request at this cursor may join."""
        current = self._current
        if current is None or current.target.uri != snapshot.uri:
            return None
        return current.generation

    def shown(
        self,
        snapshot: Snapshot,
        text: str,
        *,
        request_id: str,
        is_known: Callable[[Snapshot], bool],
    ) -> None:
        """Speculate on a suggestion that is shown being accepted.

        Args:
            snapshot: The document and the cursor.
            text: The suggestion.
            request_id: The request that it answers.
            is_known: Returns whether there is an answer for a cursor already.
        """
        target = after_accepting(snapshot, text)
        current = self._current
        if target is None or is_known(target) or not self._may_begin():
            return
        if current is not None and current.generation.is_running:
            if replace(current.target, version=0) == replace(target, version=0):
                return
            self.cancel()
        self._current = Speculation(
            shown_at=snapshot,
            target=target,
            generation=self._generate(target, f"{request_id}.ahead"),
        )

    def changed(self, uri: str, text: str | None) -> None:
        """End the speculation if a document leads elsewhere, or is another one.

        Args:
            uri: The document that was changed, or asked in.
            text: Its text; None if it was closed.
        """
        current = self._current
        if current is None:
            return
        is_same = current.target.uri == uri
        if not is_same or text is None or not current.leads_from(text):
            self.cancel()

    def cancel(self) -> None:
        """End the speculation in the engine, unless a request has joined it."""
        if self._current is not None:
            self._current.generation.cancel()
            self._current = None
