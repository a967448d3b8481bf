"""Where the lines of a document begin, counted as the protocol counts them."""

import re

__all__ = ["line_starts", "lines_before", "with_line_feeds"]

_LINE_END = re.compile(r"\r\n|\n|\r")
#: Found four times as fast, and all that most documents have.
_LINE_FEED = re.compile(r"\n")


def line_starts(text: str, start: int, end: int) -> list[int]:
    """Give every offset in ``(start, end]`` at which a line begins."""
    line_end = _LINE_FEED if text.find("\r", start, end) < 0 else _LINE_END
    return [found.end() for found in line_end.finditer(text, start, end)]


def lines_before(text: str, offset: int) -> int:
    """Count the line ends in ``text[:offset]``; it reads the text at memory speed."""
    count = text.count("\n", 0, offset)
    if "\r" in text:
        count += text.count("\r", 0, offset) - text.count("\r\n", 0, offset)
    return count


def with_line_feeds(text: str) -> str:
    r"""Write every line end as ``\n``, which is what models have read most of."""
    if "\r" not in text:
        return text
    return text.replace("\r\n", "\n").replace("\r", "\n")
