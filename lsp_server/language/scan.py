"""Scans text for brackets, blocks, strings and comments, from any state to the next.

A text may be cut off anywhere, as it is at a cursor, and code may be broken: a string
that ends at its line's end hides no other line, and a closer of an outer bracket closes
what was left open in it.
"""

import re

from lsp_server.language.frames import Closing, Frame, Scan, ScanState
from lsp_server.language.grammar import Ending, Kind, Language, Literal
from lsp_server.language.lines import columns_of, key_columns_of
from lsp_server.language.rules import inside_of, rules_of

__all__ = ["scan"]


def scan(
    text: str,
    language: Language,
    *,
    state: ScanState | None = None,
    origin: int = 0,
    is_behind_cursor: bool = False,
    only_first: bool = False,
) -> Scan:
    """Scan ``text`` as a language.

    Args:
        text: The text.
        language: Its language.
        state: What is open before it.
        origin: The offset of its first character, as counted from the cursor.
        is_behind_cursor: Whether it begins at a cursor, where not all that is open may
            ever be closed: a closer that begins a line closes what is indented like it.
        only_first: Whether the scan may end where nothing of ``state`` is open.
    """
    scanner = _Scanner(text, language, state or ScanState(), origin)
    scanner.trusts_indentation = is_behind_cursor
    if not is_behind_cursor:
        scanner.begin_line()
    return scanner.run(only_first=only_first)


class _Scanner:
    """One scan, with the arguments of `scan`."""

    def __init__(
        self, text: str, language: Language, state: ScanState, origin: int
    ) -> None:
        self.trusts_indentation = False
        self._text = text
        self._language = language
        self._rules = rules_of(language)
        self._origin = origin
        self._first = state.frames
        self._stack = list(state.frames)
        self._heredocs = list(state.heredocs)
        self._changes: list[int] = []
        self._stacks: list[tuple[Frame, ...]] = []
        self._closings: list[Closing] = []
        self._strays: list[int] = []
        self._faults = 0
        # Where the line of the last closer starts, and how its opener's is indented.
        self._closer_line = (-1, 0)

    def begin_line(self) -> None:
        """Close what the first line closes by its first word or its indentation."""
        frame = self._stack[-1] if self._stack else None
        if frame is None or frame.literal is None:
            if self._rules.statement.match(self._text):
                self._begin_statement(0)
        elif frame.literal.ending is Ending.DEDENT:
            line = self._text.partition("\n")[0]
            if line.strip() and columns_of(line) <= frame.columns:
                self._stack.pop()
                self._changed(0)

    def run(self, *, only_first: bool) -> Scan:
        """Scan all of the text, or until nothing is open that was before it."""
        at = 0
        while at < len(self._text):
            if only_first and not (self._stack and self._stack[0].start < 0):
                break
            frame = self._stack[-1] if self._stack else None
            if frame is not None and frame.literal is not None:
                at = self._in_literal(frame, frame.literal, at)
            else:
                at = self._in_code(at)
        return Scan(
            state=ScanState(frames=tuple(self._stack), heredocs=tuple(self._heredocs)),
            first=self._first,
            changes=tuple(self._changes),
            stacks=tuple(self._stacks),
            closings=tuple(self._closings),
            strays=tuple(self._strays),
            faults=self._faults,
        )

    def _in_code(self, at: int) -> int:
        """Scan past the next token of interest in code; return the offset behind it."""
        line_end = len(self._text)
        if self._heredocs or self._depth_within_line() is not None:
            line_end = self._text.find("\n", at) % (line_end + 1)  # -1 is the end
        found = self._rules.code.search(self._text, at, line_end)
        if found is None:
            if line_end < len(self._text):
                self._end_line(line_end)
            return line_end
        group = found.lastgroup or ""
        start, end = found.span(group)
        match group:
            case "open":
                opener = found[group]
                self._push(Kind.BRACKET, opener, self._rules.closers[opener], start)
            case "close":
                self._close_bracket(found[group], start)
            case "word":
                self._meet_word(found[group], start)
            case "line":
                self._begin_statement(end)
            case "skip":
                pass
            case _:
                number = int(group.removeprefix("literal"))
                return self._meet_literal(self._language.literals[number], found)
        return end

    def _depth_within_line(self) -> int | None:
        """Return the depth of the first literal that ends with its line; else None."""
        for depth, frame in enumerate(self._stack):
            if frame.literal is not None and not frame.literal.spans_lines:
                return depth
        return None

    def _end_line(self, at: int) -> None:
        """End the literals that end with their line, and begin its heredocs."""
        depth = self._depth_within_line()
        if depth is not None:
            del self._stack[depth:]
            self._faults += 1
        self._stack.extend(reversed(self._heredocs))
        self._heredocs.clear()
        self._changed(at)

    def _meet_literal(self, literal: Literal, found: re.Match[str]) -> int:
        """Open a literal, and return where its content begins."""
        start, end = found.span()
        if not literal.may_begin(self._line_before(start)):
            return start + 1
        number = (found.lastgroup or "").removeprefix("literal")
        tag = found.groupdict().get(f"tag{number}") or ""
        closer = literal.closes.replace("{tag}", tag)
        frame = Frame(
            kind=literal.kind,
            opener=found[0],
            closer=tag if literal.ending is Ending.TAG else closer,
            start=self._origin + start,
            columns=self._columns_at(start, literal),
            literal=literal,
        )
        if literal.ending is Ending.TAG:
            self._heredocs.append(frame)
        else:
            self._stack.append(frame)
            self._changed(end)
        return end

    def _in_literal(self, frame: Frame, literal: Literal, at: int) -> int:
        """Scan past the next place of interest in a literal; return where that ends."""
        inside = inside_of(literal, frame.closer, frame.columns)
        found = inside.search(self._text, at)
        if found is None:
            return len(self._text)
        group = found.lastgroup or ""
        match group:
            case "skip":
                return found.end()
            case "close":
                self._stack.pop()
                self._closed(frame, found.start())
                self._changed(found.end())
                is_dedent = literal.ending is Ending.DEDENT
                return found.start() if is_dedent else found.end()
            case "line":
                self._stack.pop()
                self._faults += literal.ending is not Ending.LINE
                self._changed(found.start())
                return found.start()
            case _:
                opener, closer = literal.inside[int(group.removeprefix("inner"))]
                self._push(Kind.BRACKET, opener, closer, found.start())
                return found.end()

    def _meet_word(self, word: str, start: int) -> None:
        """Open or close a block where ``word`` does."""
        words = self._language.words
        if words is None or not words.counts(word, self._line_before(start)):
            return
        if word in self._rules.ends:
            self._close_block(word, start)
        else:
            self._push(Kind.BLOCK, word, self._rules.words[word], start)

    def _close_bracket(self, closer: str, start: int) -> None:
        """Close the frame that ``closer`` belongs to, with all that is open in it."""
        reachable: list[int] = []
        for depth in range(len(self._stack) - 1, -1, -1):
            frame = self._stack[depth]
            if frame.kind is not Kind.BRACKET:
                break
            if frame.closer == closer:
                reachable.append(depth)
            elif frame.closer == "}" and closer != "}":
                break
        self._close(reachable, start, len(closer))
        if not reachable:
            self._strays.append(self._origin + start)
            self._faults += not self._language.has_stray_closers

    def _close_block(self, word: str, start: int) -> None:
        """Close the block that ``word`` closes, with all that is open in it."""
        reachable: list[int] = []
        for depth in range(len(self._stack) - 1, -1, -1):
            frame = self._stack[depth]
            if frame.kind.is_literal:
                break
            if frame.kind is Kind.BLOCK and frame.closer == word:
                reachable.append(depth)
        self._close(reachable, start, len(word))

    def _close(self, reachable: list[int], start: int, length: int) -> None:
        """Close the best of the frames at these depths, the innermost of them first."""
        if not reachable:
            return
        depth, line = reachable[0], self._line_before(start)
        if self.trusts_indentation and "\n" in self._text[:start] and not line.strip():
            columns = columns_of(line)
            depth = next(
                (each for each in reachable if self._stack[each].columns == columns),
                depth,
            )
        frame = self._stack[depth]
        self._closer_line = (start - len(line), frame.columns)
        self._faults += len(self._stack) - 1 - depth
        del self._stack[depth:]
        self._closed(frame, start)
        self._changed(start + length)

    def _begin_statement(self, at: int) -> None:
        """Forget the brackets that no statement can stand in."""
        kept = len(self._stack)
        while kept and self._stack[kept - 1].kind is Kind.BRACKET:
            kept -= 1
        if kept and self._stack[kept - 1].kind.is_literal:
            return
        if kept < len(self._stack):
            self._faults += len(self._stack) - kept
            del self._stack[kept:]
            self._changed(at)

    def _push(self, kind: Kind, opener: str, closer: str, start: int) -> None:
        """Open a bracket or a block."""
        self._stack.append(
            Frame(
                kind=kind,
                opener=opener,
                closer=closer,
                start=self._origin + start,
                columns=self._columns_at(start, None),
            )
        )
        self._changed(start + len(opener))

    def _closed(self, frame: Frame, start: int) -> None:
        """Note that ``frame`` was closed, if it was opened in front of the cursor."""
        if frame.start < 0:
            self._closings.append(Closing(offset=self._origin + start, frame=frame))

    def _changed(self, at: int) -> None:
        """Note what is open from here on."""
        self._changes.append(self._origin + at)
        self._stacks.append(tuple(self._stack))

    def _line_before(self, at: int) -> str:
        """Return its line left of ``at``."""
        return self._text[self._text.rfind("\n", 0, at) + 1 : at]

    def _columns_at(self, at: int, literal: Literal | None) -> int:
        """Return the indentation of the line at ``at``, of its key for YAML's text.

        A line that ends a bracket belongs to the one in which that began.
        """
        line = self._line_before(at)
        if literal is not None and literal.ending is Ending.DEDENT:
            return key_columns_of(line)
        line_start, columns = self._closer_line
        return columns if line_start == at - len(line) else columns_of(line)
