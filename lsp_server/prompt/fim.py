"""How one model family wants to be asked for the middle of a text.

A family is data: the order of its prompt is a tuple of parts, so a new order is a
new tuple and no new code. Which family a model is of stands in its manifest; nothing
here looks at a model's name.
"""

import enum
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

__all__ = ["FimFamily", "Literal", "Part", "Sentinel", "Slot"]


class Slot(enum.Enum):
    """A place in a prompt that a request fills.

    ``PATH`` and ``TEXT`` are of the file at hand: of the snippet within
    `FimFamily.snippet`, of the document everywhere else (which has no ``TEXT``).
    A snippet's text comes without its last line end; the format sets one.
    """

    SNIPPETS = "snippets"
    PREFIX = "prefix"
    SUFFIX = "suffix"
    PATH = "path"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class Sentinel:
    """A control token, set by its id.

    Attributes:
        token: The token's exact name in the vocabulary.
    """

    token: str


@dataclass(frozen=True, slots=True)
class Literal:
    """Fixed text, encoded as text.

    Attributes:
        text: The text.
    """

    text: str


Part: TypeAlias = Sentinel | Literal | Slot


@dataclass(frozen=True, slots=True, kw_only=True)
class FimFamily:
    """The prompt format of one family of models.

    Attributes:
        name: The name that a manifest gives.
        order: The prompt, part by part.
        stop_tokens: Tokens that end a completion.
        snippets_head: What stands once before the snippets, where there are any.
        snippet: How a piece of another file is put; empty where the family has no
            way to, and then snippets are left out.
        snippets_tail: What stands once behind the snippets, where there are any.
    """

    name: str
    order: tuple[Part, ...]
    stop_tokens: tuple[str, ...]
    snippets_head: tuple[Part, ...] = ()
    snippet: tuple[Part, ...] = ()
    snippets_tail: tuple[Part, ...] = ()

    @property
    def sentinels(self) -> tuple[str, ...]:
        """Every control token of the format, stop tokens included, each once."""
        return tuple(dict.fromkeys((*self._prompt_sentinels(), *self.stop_tokens)))

    def _prompt_sentinels(self) -> Iterator[str]:
        layouts = (self.snippets_head, self.snippet, self.snippets_tail, self.order)
        for layout in layouts:
            for part in layout:
                if isinstance(part, Sentinel):
                    yield part.token
