"""Encodes text in which the names of control tokens count as control tokens.

For clients that render their own prompts, and for chat templates. Text of anybody else
goes through `Tokenizer.encode`, which takes the same names for text.
"""

import re
from collections.abc import Iterator

from lsp_server.prompt.tokenizer import Tokenizer

__all__ = ["RawEncoder"]

_SPACE = "\u2581"
"""SentencePiece's visible space, which clients write as a blank or leave out."""

_MARK = "\ufdd0"
"""A noncharacter of Unicode, which no text may contain."""


class RawEncoder:
    """Encodes rendered prompts for one tokenizer.

    Args:
        tokenizer: The model's tokenizer.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        """Collect the control tokens' names."""
        self._tokenizer = tokenizer
        self._ids: dict[str, int] = {}
        for token_id in sorted(tokenizer.reserved_ids):
            for spelling in _spellings(tokenizer.spell((token_id,))):
                self._ids.setdefault(spelling, token_id)
        longest_first = sorted(self._ids, key=len, reverse=True)
        self._names = re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")
        firsts = sorted({name[0] for name in self._ids})
        self._firsts = re.compile(
            f"[{re.escape(''.join(firsts))}]" if firsts else _MARK
        )

    def encode(self, text: str) -> tuple[int, ...]:
        """Return the tokens of a rendered prompt.

        What `as_text` has marked stays text.
        """
        ids: list[int] = []
        end = 0
        for match in self._names.finditer(text):
            ids += self._plain(text[end : match.start()])
            ids.append(self._ids[match.group()])
            end = match.end()
        return (*ids, *self._plain(text[end:]))

    def control_id(self, name: str) -> int | None:
        """Return the control token that a text is the name of; None if it is none."""
        return self._ids.get(name)

    def as_text(self, text: str) -> str:
        """Mark a text so that `encode` finds no control token in it.

        Wherever the text ends up in a prompt: a name needs its first character, and
        every such character is marked.
        """
        return self._firsts.sub(
            lambda match: match.group() + _MARK, text.replace(_MARK, "\ufffd")
        )

    def _plain(self, text: str) -> tuple[int, ...]:
        return self._tokenizer.encode(text.replace(_MARK, "")) if text else ()


def _spellings(name: str) -> Iterator[str]:
    """Yield a control token's name as clients write it."""
    yield name
    if name.strip(_SPACE):
        yield name.replace(_SPACE, " ")
        yield name.strip(_SPACE)
