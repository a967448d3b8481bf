"""Chooses among what the providers found, and keeps the choice from key to key."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from lsp_server.project.gathering import Found
from lsp_server.text import with_line_feeds
from lsp_server.values import Snapshot, Snippet

__all__ = ["choose", "kept_or_better"]

_NEAR_CHARS = 6_000
"""How much of the document to either side of the cursor is in the prompt already."""

_SAME_SHARE = 0.7
"""Texts are the same if so much of the lines of one stands in the other."""

_LEAST_CHARS = 4
"""Shorter lines, such as a closing bracket, say nothing."""

_BETTER = 1.3


def choose(found: Found, snapshot: Snapshot, *, most_chars: int) -> tuple[Snippet, ...]:
    """Return the best snippets, scored against each other, within the limits.

    Left out is what stands around the cursor already, and what is nearly the same as a
    better snippet.

    Args:
        found: What the providers have found.
        snapshot: The document and the cursor.
        most_chars: The most code points of all snippets together.
    """
    ranked = sorted(
        (
            replace(
                snippet, score=snippet.score * provider.importance, source=provider.name
            )
            for provider, snippets in found
            for snippet in _within(snippets, provider.budget_chars)
            if snippet.uri != snapshot.uri
        ),
        key=lambda each: (-each.score, each.path, each.text),
    )
    here = snapshot.text[
        max(0, snapshot.offset - _NEAR_CHARS) : snapshot.offset + _NEAR_CHARS
    ]
    seen = [_lines_of(here)]
    chosen: list[Snippet] = []
    left = most_chars
    for snippet in ranked:
        lines = _lines_of(snippet.text)
        if len(snippet.text) > left or not lines or _is_known(lines, seen):
            continue
        seen.append(lines)
        chosen.append(snippet)
        left -= len(snippet.text)
    return tuple(chosen)


def kept_or_better(
    held: Sequence[Snippet], chosen: Sequence[Snippet], found: Found
) -> tuple[Snippet, ...]:
    """Return the held snippets, or a new choice if it is worth another prompt.

    Every other prompt has to be computed anew, so a little better is not enough.

    Args:
        held: The snippets of before.
        chosen: What was chosen now.
        found: What it was chosen from. What providers that are not in it have found
            before counts as it did then.
    """
    answered = {provider.name for provider, _ in found}
    now = {
        (provider.name, each.path, each.text): each.score * provider.importance
        for provider, snippets in found
        for each in snippets
    }
    kept, worth = [], 0.0
    for each in held:
        key = (each.source, each.path, each.text)
        is_known = each.source not in answered
        if is_known or key in now or each.is_lasting:
            kept.append(each)
            worth += each.score if is_known else now.get(key, 0.0)
    is_better = sum(each.score for each in chosen) > worth * _BETTER
    return tuple(chosen if is_better else kept)


def _within(snippets: Iterable[Snippet], chars: int) -> Iterable[Snippet]:
    """Yield the best of a provider's snippets that are within its budget."""
    for snippet in sorted(snippets, key=lambda each: -each.score):
        if len(snippet.text) <= chars:
            chars -= len(snippet.text)
            yield snippet


def _lines_of(text: str) -> frozenset[str]:
    """Return the lines of a text that say something, without their indentation."""
    lines = map(str.strip, with_line_feeds(text).split("\n"))
    return frozenset(line for line in lines if len(line) >= _LEAST_CHARS)


def _is_known(lines: frozenset[str], seen: Sequence[frozenset[str]]) -> bool:
    """Return whether most of some lines stand in one of several texts."""
    return any(len(lines & known) >= _SAME_SHARE * len(lines) for known in seen)
