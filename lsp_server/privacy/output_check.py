"""Checks generated text for secrets and hidden characters, also while it streams."""

import enum
import re
from dataclasses import dataclass

from lsp_server.privacy.hidden_characters import hidden_in
from lsp_server.privacy.secret_finder import SecretFinder, SecretSpan

__all__ = ["Fault", "FaultKind", "OutputRules", "StreamCheck"]

_REACH_CHARS = 2000
"""So much of the text before says whether what follows is a secret."""

_UNFINISHED = re.compile(
    r"(?:://[^\s/]*+|[\"']?[\w+/=-]++[\"']?)\Z"
    "|[\u00ad\u200b-\u206f\ufe00-\ufe0f\U0001f3f4\U000e0000-\U000e0fff]++\\Z"
)
"""The end of a text that is cut off, where what comes next says what it is: a key, a
password in an address, or characters that may belong to an emoji."""


class FaultKind(enum.Enum):
    """What a generated text must not hold; the values are words of reasons."""

    SECRET = "secret"
    HIDDEN_CHARACTERS = "hidden-characters"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What a generated text holds and must not.

    Attributes:
        kind: What it is.
        start: Where it begins in the generated text, or before it.
    """

    kind: FaultKind
    start: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputRules:
    """The rules for generated text: what the user's own text holds already is no fault.

    Attributes:
        finder: Finds secrets; None where nothing looks for them.
        hidden_characters: Whether characters that are not seen are a fault.
    """

    finder: SecretFinder | None
    hidden_characters: bool

    def may_hold_secret(self, text: str) -> bool:
        """Return whether a text holds what may be a secret where its line is whole."""
        return self.finder is not None and self.finder.may_hold(text)

    def first_fault(
        self, text: str, *, before: str, after: str, known: str, path: str = ""
    ) -> Fault | None:
        """Return the first fault of a text; blocks for a millisecond a few kilobytes.

        Args:
            text: The generated text.
            before: What stands before it.
            after: The rest of the line behind it.
            known: All that the user has written.
            path: The file's name.
        """
        before = before[-_REACH_CHARS:]
        start, end = len(before), len(before) + len(text)
        around = before + text + after
        faults = []
        if self.hidden_characters:
            faults = [
                Fault(kind=FaultKind.HIDDEN_CHARACTERS, start=at - start)
                for at in hidden_in(around, start, end)
                if around[at] not in known
            ]
        for span in self._secrets(around, start, path):
            secret = around[span.start : span.end]
            is_new = span.start < end and span.end > start and secret not in known
            # A word is a name or a placeholder, and often suggested in tests.
            if is_new and not secret.replace("_", "").isalpha():
                faults.append(Fault(kind=FaultKind.SECRET, start=span.start - start))
        return min(faults, key=lambda each: each.start, default=None)

    def _secrets(self, text: str, start: int, path: str) -> tuple[SecretSpan, ...]:
        """Return the secrets in a text from the line of some place on."""
        line = text.rfind("\n", 0, start) + 1
        if self.finder is None or not self.finder.may_hold(text[line:]):
            return ()
        return self.finder.find(text, path=path, start=line)


class StreamCheck:
    """Lets a stream of generated text through up to its first fault.

    A line that may hold a secret is held back until it ends, and of every other the
    last word until it is whole. So the same text is let through in whatever parts it is
    generated.

    Args:
        rules: Say what a fault is.
        before: The user's text before the generated one.
        after: The user's text behind it.

    Attributes:
        fault: What ended the text; None while nothing did.
    """

    def __init__(self, rules: OutputRules, *, before: str, after: str) -> None:
        self.fault: FaultKind | None = None
        self._rules = rules
        self._before = before
        self._after = after
        self._known = before + after
        self._text = ""
        self._sent = 0

    def feed(self, text: str) -> str:
        """Add generated text, and return what is let through."""
        self._text += text
        line = self._text.rfind("\n") + 1
        end = len(self._text)
        of_user = "" if line else self._before.rpartition("\n")[2]
        if self._rules.may_hold_secret(of_user + self._text[line:]):
            end = line
        elif rest := _UNFINISHED.search(self._text, max(line, self._sent)):
            end = rest.start()
        return self._let_through(max(self._sent, end), "")

    def finish(self) -> str:
        """End the text, and return what is let through of what was held back."""
        line_after, *_ = self._after.split("\n")
        return self._let_through(len(self._text), line_after)

    def _let_through(self, end: int, after: str) -> str:
        """Return the text up to there, or to the first fault."""
        start = self._sent
        if end == start or self.fault is not None:
            return ""
        # What was let through of a line is part of what it says.
        line = self._text.rfind("\n", 0, start) + 1
        fault = self._rules.first_fault(
            self._text[line:end],
            before=self._before[-_REACH_CHARS:] + self._text[:line],
            after=after,
            known=self._known,
        )
        if fault is not None:
            self.fault = fault.kind
            end = max(start, line + fault.start)
        self._sent = end
        return self._text[start:end]
