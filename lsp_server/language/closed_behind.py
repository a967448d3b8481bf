"""Finds which brackets and literals, open at a cursor, the text behind it closes.

That text may be cut off at its end, and the one in front of it be unfinished. Where it
is open whether a quote ends a string or begins one, the answer with the fewer faults
holds.
"""

import functools
import re
from collections import Counter
from dataclasses import replace

from lsp_server.language.frames import Frame, ScanState
from lsp_server.language.grammar import Ending, Kind, Language
from lsp_server.language.lines import columns_of
from lsp_server.language.rules import inside_of
from lsp_server.language.scan import scan
from lsp_server.language.surroundings import FAR_CHARS

__all__ = ["closed_behind"]

_REACH_CHARS = 8_000
"""How much of the text behind the cursor is read."""

_KEPT_TEXTS = 512
"""So many answers are kept: of hundreds of people at work, each one's."""

_BEHIND_BLANK = re.compile(r"\s[\"'`]+\w")
"""A quote that a word follows: it opens, whatever the language's rules say."""

_TAKES_OPERAND = re.compile(r"(?:[\s(\[{=,:+\-!|&?<>]|\b\w{1,2})\Z")
"""Behind what a string begins, or the letters in front of it."""

_WRONG_IF_UNUSUAL = 4
"""So many unusual quotes are as bad as one thing that is wrong."""

_MAY_OPEN = re.compile(r"[\s(\[{=,:+\-!|&?<>]")
_MAY_CLOSE = re.compile(r"[\s)\]},;.:+\-<>/\[?=!|&*%]|\Z")
"""What stands in front of a string, and behind one."""


def closed_behind(
    text: str, frames: tuple[Frame, ...], language: Language, *, is_whole: bool
) -> frozenset[Frame]:
    """Return which of ``frames`` the text behind the cursor closes.

    Args:
        text: The text behind the cursor.
        frames: What is open at the cursor, the innermost last.
        language: The language.
        is_whole: Whether the text ends where the document ends. Otherwise all that
            opened above the cursor's line and is open to the end counts as closed.
    """
    if not frames:
        return frozenset()
    # Where they opened tells frames apart and moves with every key: their order stays.
    ordered = tuple(
        replace(frame, start=depth - len(frames)) for depth, frame in enumerate(frames)
    )
    above = sum(frame.start < -FAR_CHARS // 2 for frame in frames)
    is_whole = is_whole and len(text) <= _REACH_CHARS
    closed = _closed(
        text[:_REACH_CHARS], ordered, language, None if is_whole else above
    )
    return frozenset(frames[depth] for depth in closed)


@functools.lru_cache(maxsize=_KEPT_TEXTS)
def _closed(
    text: str,
    frames: tuple[Frame, ...],
    language: Language,
    far_closed: int | None,
) -> tuple[int, ...]:
    """Return the depths of the closed frames, as `closed_behind` does.

    Args:
        text: The text behind the cursor.
        frames: What is open at the cursor.
        language: The language.
        far_closed: So many of the outermost frames count as closed where ``text`` does
            not say; None where it ends with the document.
    """
    is_whole = far_closed is None
    open_ = frames
    for depth in range(len(frames) - 1, -1, -1):
        if frames[depth].kind.is_literal:
            if _is_closed(depth, text, open_, language, is_whole=is_whole):
                break
            open_ = open_[:depth]
    found = scan(
        text,
        language,
        state=ScanState(frames=open_),
        is_behind_cursor=True,
        only_first=True,
    )
    closed = _outermost(frames, {closing.frame for closing in found.closings})
    if far_closed is not None:
        left = set(found.state.frames)
        closed.update(each for each in frames[:-1][:far_closed] if each in left)
    return tuple(frames.index(each) for each in closed)


def _outermost(frames: tuple[Frame, ...], closed: set[Frame]) -> set[Frame]:
    """Return as many frames as are closed, the outermost of each kind.

    Where fewer closers stand behind the cursor than are needed, those in front of it
    are still to come, and close what is innermost.
    """
    counts = Counter((each.opener, each.columns) for each in closed)
    found = set()
    for frame in frames:
        key = (frame.opener, frame.columns)
        if counts[key]:
            counts[key] -= 1
            found.add(frame)
    return found


def _is_closed(
    depth: int,
    text: str,
    frames: tuple[Frame, ...],
    language: Language,
    *,
    is_whole: bool,
) -> bool:
    """Return whether the literal at ``frames[depth]`` is closed behind the cursor.

    The next closer may be the opener of another one. In a literal that ends with its
    line, that line alone decides.
    """
    literal = frames[depth]
    rule = literal.literal
    if rule is None or not literal.closer:
        return True
    if not rule.spans_lines:
        text, is_whole = text.partition("\n")[0] + "\n", True
    end = _closer_in(text, literal)
    if end is None:
        return False
    if literal.opener != literal.closer and literal.kind is Kind.COMMENT:
        return not 0 <= text.find(literal.opener) < end
    outer = frames[:depth]
    if _is_plain(end, text, outer, language):
        return _BEHIND_BLANK.match(text, end - 1) is None
    inside = _faults(text, language, frames, literal, is_whole=is_whole)
    outside = [_faults(text, language, outer, literal, is_whole=is_whole)]
    # What closes the brackets around an unfinished string is often missing, too.
    while outer and outer[-1].opener in {"(", "["}:
        outer = outer[:-1]
    if len(outer) < depth:
        outside.append(_faults(text, language, outer, literal, is_whole=is_whole))
    if inside == min(outside) and rule.spans_lines:
        return _looks_closing(text, end, literal, language)
    return inside < min(outside)


def _looks_closing(text: str, at: int, literal: Frame, language: Language) -> bool:
    """Return whether a quote stands where one that closes does.

    That is behind words, or on a line of its own that is indented like the opener's
    and has no block's head above it. What opens nothing closes anywhere.
    """
    if literal.opener != literal.closer:
        return True
    *above, before = text[:at].split("\n")
    if before.strip():
        return bool(above) and not _TAKES_OPERAND.search(before)
    head = next((line for line in reversed(above) if line.strip()), "")
    is_level = bool(above) and columns_of(before) == literal.columns
    return is_level and not language.opens_block(head)


def _closer_in(text: str, literal: Frame) -> int | None:
    """Return where the first closer of ``literal`` stands that is not escaped."""
    if literal.literal is None:
        return None
    inside = inside_of(literal.literal, literal.closer, literal.columns)
    closers = (each for each in inside.finditer(text) if each.lastgroup == "close")
    return next((each.start() for each in closers), None)


def _is_plain(
    at: int, text: str, frames: tuple[Frame, ...], language: Language
) -> bool:
    """Return whether what stands at a place in a text opens nothing and is in code."""
    found = scan(text, language, state=ScanState(frames=frames), is_behind_cursor=True)
    opens = (
        end - len(stack[-1].opener) <= at < end
        for end, stack in zip(found.changes, found.stacks, strict=True)
        if stack and stack[-1].kind.is_literal
    )
    return found.literal_at(at) is None and not any(opens)


def _faults(
    text: str,
    language: Language,
    frames: tuple[Frame, ...],
    literal: Frame,
    *,
    is_whole: bool,
) -> tuple[int, int]:
    """Count what is wrong with a text, and what only unusual, if ``frames`` are open.

    A literal that a whole text does not end counts twice. It is unusual that a quote
    of the kind of ``literal`` stands where such quotes hardly ever do; often that is
    wrong.
    """
    found = scan(text, language, state=ScanState(frames=frames), is_behind_cursor=True)
    is_open = is_whole and any(
        each.literal is not None and each.literal.ending is not Ending.LINE
        for each in found.state.frames
    )
    unusual, before = 0, found.first
    for at, stack in zip(found.changes, found.stacks, strict=True):
        if len(stack) > len(before) and stack[-1].literal is literal.literal:
            start = at - len(stack[-1].opener)
            unusual += start > 0 and not _MAY_OPEN.match(text, start - 1)
        elif len(stack) < len(before) and before[-1].literal is literal.literal:
            unusual += not _MAY_CLOSE.match(text, at)
        before = stack
    return found.faults + 2 * is_open + unusual // _WRONG_IF_UNUSUAL, unusual
