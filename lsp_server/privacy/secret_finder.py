"""Finds secrets in text, by the rules of ``detect-secrets``, and replaces them."""

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from detect_secrets.plugins.base import RegexBasedDetector


__all__ = ["SecretFinder", "SecretSpan", "redacted"]

_NOT_TAKEN = frozenset({"Public IP (ipv4)", "Private Key"})
"""Kinds that are no secret, or whose rule finds a headline and no secret."""

_PIECE_CHARS = 4000
_OVERLAP_CHARS = 1000
"""Longer lines are looked at in pieces: patterns may take time by the square of one."""

_LINE = re.compile(r"[^\r\n]+")
_TOKEN = re.compile(r"[\w+/=-]*")
_AROUND_TOKENS = " \t'\"=:"
_KEY_RUN = re.compile(r"(?<!\\)[A-Za-z0-9+/=]{16,}")
"""Base64 has no underscore, but long names do."""
_KEY_MARK = re.compile(
    r"-----(?:(?P<begin>BEGIN)|END) [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----"
)
_KEY_KIND = "Private Key"
_MOST_KEY_CHARS = 20_000

_NO_WORD = re.compile(r"\W+")
_LEAST_REPLACED_CHARS = 16
"""A secret of this length is replaced wherever it stands, not where it was found alone:
a shorter one may be a word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretSpan:
    """A secret in a text.

    Attributes:
        start: Where it begins, in code points.
        end: Where it ends.
        kind: What it is, in the words of ``detect-secrets``.
    """

    start: int
    end: int
    kind: str

    def moved(self, by: int) -> "SecretSpan":
        """Return the span so many code points further on."""
        return SecretSpan(start=self.start + by, end=self.end + by, kind=self.kind)


class SecretFinder:
    """Finds secrets, within lines and in blocks of private keys.

    Of ``detect-secrets`` it takes the detectors and the heuristics alone: the library's
    own scan works with settings of the whole process and reads files. Making a finder
    loads the library, which takes long, so do that in a thread.
    """

    def __init__(self) -> None:
        """Load the detectors."""
        from detect_secrets.filters import heuristic
        from detect_secrets.plugins import high_entropy_strings, keyword
        from detect_secrets.util.filetype import determine_file_type

        self._detectors = tuple(_regex_detectors())
        self._assignments = keyword.REGEX_BY_FILETYPE
        self._any_assignments = keyword.QUOTES_REQUIRED_DENYLIST_REGEX_TO_GROUP
        self._file_type = determine_file_type
        self._assignment_kind = keyword.KeywordDetector.secret_type
        self._entropy = high_entropy_strings.Base64HighEntropyString()
        self._heuristics = heuristic
        # To look for the first letters before the names takes a third of the time.
        initials = "".join({re.escape(each[0]) for each in keyword.DENYLIST})
        name = f"(?i:(?=[{initials}])(?:{'|'.join(keyword.DENYLIST)}))"
        self._name = re.compile(name)
        self._candidate = re.compile(rf"[\w+/=-]{{20}}|://[^\s/]*@|{name}")
        # The lines of a private key can be shorter.
        self._suspect = re.compile(rf"[\w+/=-]{{16}}|://[^\s/]*@|{name}")

    def find(
        self, text: str, *, path: str = "", start: int = 0
    ) -> tuple[SecretSpan, ...]:
        """Return the secrets in a text in their order; none overlaps another.

        Args:
            text: The text.
            path: The file's name, which says whether values stand in quotes.
            start: Where a line begins. What is in those above is not returned; all that
                it says is whether a private key begins there.
        """
        # A secret lies within one line, also where it is one of a private key.
        spans = [each for each in _key_blocks(text) if each.start >= start]
        file_type = self._file_type(path)
        assignments = self._assignments.get(file_type, self._any_assignments)
        for offset, piece in _pieces(text, start):
            if self._candidate.search(piece):
                found = (*self._shapes(piece), *self._assigned(piece, assignments))
                spans.extend(each.moved(offset) for each in found)
        return tuple(_apart(spans))

    def may_hold(self, line: str) -> bool:
        """Return whether a line may hold a secret once it is whole."""
        return self._suspect.search(line) is not None

    def _shapes(self, line: str) -> Iterator[SecretSpan]:
        """Yield what is known as a secret by its shape, or looks random in quotes."""
        for detector in self._detectors:
            for pattern in detector.denylist:
                for match in pattern.finditer(line):
                    # Some detectors look at what their pattern has found.
                    if any(detector.analyze_string(match[0])):
                        start, end = _value(match)
                        kind = detector.secret_type
                        yield SecretSpan(start=start, end=end, kind=kind)
        for match in self._entropy.regex.finditer(line):
            value = match[2]
            entropy = self._entropy.calculate_shannon_entropy(value)
            if entropy > self._entropy.entropy_limit and self._may_be(value, line):
                start, end = match.span(2)
                yield SecretSpan(start=start, end=end, kind=self._entropy.secret_type)

    def _assigned(
        self, line: str, assignments: Mapping[re.Pattern[str], int]
    ) -> Iterator[SecretSpan]:
        """Yield values that are assigned to a name such as `password`."""
        if not self._name.search(line):
            return
        for pattern, group in assignments.items():
            for match in pattern.finditer(line):
                if match[group] and self._may_be(match[group], line):
                    start, end = match.span(group)
                    yield SecretSpan(start=start, end=end, kind=self._assignment_kind)

    def _may_be(self, value: str, line: str) -> bool:
        """Return whether a value that has no shape of its own may be a secret."""
        rules = self._heuristics
        return not (
            rules.is_sequential_string(value)
            or rules.is_potential_uuid(value)
            or rules.is_templated_secret(value)
            or rules.is_prefixed_with_dollar_sign(value)
            or rules.is_not_alphanumeric_string(value)
            or rules.is_indirect_reference(line)
        )


def _regex_detectors() -> "Iterator[RegexBasedDetector]":
    """Yield the detectors of secrets with a shape of their own."""
    from detect_secrets import plugins
    from detect_secrets.plugins.base import RegexBasedDetector

    for module in pkgutil.iter_modules(plugins.__path__, f"{plugins.__name__}."):
        for each in vars(importlib.import_module(module.name)).values():
            if (
                inspect.isclass(each)
                and each.__module__ == module.name
                and issubclass(each, RegexBasedDetector)
                and not inspect.isabstract(each)
            ):
                detector = each()
                if detector.secret_type not in _NOT_TAKEN:
                    yield detector


def _pieces(text: str, start: int) -> Iterator[tuple[int, str]]:
    """Yield each line from there on, a long one in overlapping pieces; with offsets."""
    for line in _LINE.finditer(text, start):
        start = line.start()
        while line.end() - start > _PIECE_CHARS:
            yield start, text[start : start + _PIECE_CHARS]
            start += _PIECE_CHARS - _OVERLAP_CHARS
        yield start, text[start : line.end()]


def _value(match: re.Match[str]) -> tuple[int, int]:
    """Return where the secret is in what a detector's pattern has matched."""
    start, end = match.span()
    groups = range(1, len(match.groups()) + 1)
    if groups:
        group = max(groups, key=lambda each: match.end(each) - match.start(each))
        # A group at the beginning is the token's prefix, not the token.
        if match.start(group) > start:
            start, end = match.span(group)
    text = match.string
    while start < end and text[start] in _AROUND_TOKENS:
        start += 1
    while end > start and text[end - 1] in _AROUND_TOKENS:
        end -= 1
    rest = _TOKEN.match(text, end)
    return start, rest.end() if rest and _TOKEN.match(text, end - 1) else end


def _key_blocks(text: str) -> Iterator[SecretSpan]:
    """Yield the lines of private keys: whole ones, and those that the text cuts off."""
    begin: re.Match[str] | None = None
    for mark in _KEY_MARK.finditer(text):
        if mark["begin"]:
            if begin is not None:
                yield from _key_lines(_LINE.finditer(text, begin.end(), mark.start()))
            begin = mark
        elif begin is not None:
            yield from _key_runs(text, begin.end(), mark.start())
            begin = None
        else:
            start = max(0, mark.start() - _MOST_KEY_CHARS)
            above = list(_LINE.finditer(text, start, mark.start()))
            yield from _key_lines(reversed(above))
    if begin is not None:
        limit = begin.end() + _MOST_KEY_CHARS
        yield from _key_lines(_LINE.finditer(text, begin.end(), limit))


def _key_lines(lines: Iterable[re.Match[str]]) -> Iterator[SecretSpan]:
    """Yield what may be of a key, up to the first line with nothing of the kind."""
    for number, line in enumerate(lines):
        runs = list(_key_runs(line.string, *line.span()))
        # The mark's own line may hold nothing but its quotes.
        if not runs and number:
            return
        yield from runs


def _key_runs(text: str, start: int, end: int) -> Iterator[SecretSpan]:
    for run in _KEY_RUN.finditer(text, start, end):
        yield SecretSpan(start=run.start(), end=run.end(), kind=_KEY_KIND)


def _apart(spans: Iterable[SecretSpan]) -> Iterator[SecretSpan]:
    """Join spans that overlap; the one that begins first names the kind."""
    held: SecretSpan | None = None
    for span in sorted(spans, key=lambda each: (each.start, -each.end)):
        if held is None:
            held = span
        elif span.start < held.end:
            end = max(held.end, span.end)
            held = SecretSpan(start=held.start, end=end, kind=held.kind)
        else:
            yield held
            held = span
    if held is not None:
        yield held


def redacted(text: str, finder: SecretFinder, *, path: str = "") -> str:
    """Return a text with a placeholder such as ``<AWS_ACCESS_KEY>`` for each secret.

    Its lines stay where they are. The placeholder names the kind alone, so the same
    secret always becomes the same one, and nothing of it can be guessed.

    Args:
        text: The text.
        finder: Finds the secrets.
        path: The file's name.
    """
    parts: list[str] = []
    at = 0
    placeholders: dict[str, str] = {}
    for span in finder.find(text, path=path):
        placeholder = f"<{_NO_WORD.sub('_', span.kind).strip('_').upper()}>"
        parts += text[at : span.start], placeholder
        at = span.end
        if span.end - span.start >= _LEAST_REPLACED_CHARS:
            placeholders[text[span.start : span.end]] = placeholder
    if not parts:
        return text
    result = "".join((*parts, text[at:]))
    for secret in sorted(placeholders, key=len, reverse=True):
        result = result.replace(secret, placeholders[secret])
    return result
