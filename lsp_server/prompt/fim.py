"""The prompt format of a model family for filling in the middle, as data.

A prompt is a tuple of parts, so a new order is a new tuple and no new code. Nothing
here looks at a model's name: its manifest says which family it is of.
"""

import enum
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

__all__ = ["FimFamily", "Literal", "Part", "Sentinel", "Slot"]


class Slot(enum.Enum):
    """A place in a prompt that each request fills.

    Within `FimFamily.snippet`, ``PATH`` and ``TEXT`` are the snippet's; elsewhere
    ``PATH`` is the document's, and there is no ``TEXT``. A snippet's text has no line
    end at its end; the format sets one.
    """

    SNIPPETS = "snippets"
    PREFIX = "prefix"
    SUFFIX = "suffix"
    PATH = "path"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class Sentinel:
    """A control token, rendered as its id.

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


_BEGIN_TOKENS = frozenset(
    {"<|endoftext|>", "<s>", "<bos>", "<\uff5cbegin\u2581of\u2581sentence\uff5c>"}
)
"""The tokens that stand in front of every text of a model which was trained so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FimFamily:
    """The prompt format of one family of models.

    Attributes:
        name: The name that manifests use.
        order: The parts of the prompt, in order.
        stop_tokens: Tokens that end a completion.
        snippets_head: The parts before the snippets, rendered only with snippets.
        snippet: The parts of one snippet; empty where the family has no place for
            snippets, which are then left out.
        snippets_tail: The parts after the snippets, rendered only with snippets.
    """

    name: str
    order: tuple[Part, ...]
    stop_tokens: tuple[str, ...]
    snippets_head: tuple[Part, ...] = ()
    snippet: tuple[Part, ...] = ()
    snippets_tail: tuple[Part, ...] = ()

    @property
    def sentinels(self) -> tuple[str, ...]:
        """The name of every control token of the format and every stop token, once."""
        return tuple(dict.fromkeys((*self._prompt_sentinels(), *self.stop_tokens)))

    @property
    def begin_token(self) -> str:
        """The token in front of every text; empty where the models have none."""
        match self.order[:1]:
            case (Sentinel(token=token),) if token in _BEGIN_TOKENS:
                return token
        return ""

    @property
    def is_suffix_first(self) -> bool:
        """Whether the suffix stands in front of the prefix."""
        slots = [part for part in self.order if part in {Slot.PREFIX, Slot.SUFFIX}]
        return slots == [Slot.SUFFIX, Slot.PREFIX]

    @property
    def marks_cursor(self) -> bool:
        """Whether the prompt shows where the prefix ends and the middle begins.

        It does not where the prefix stands last. Where it does, text in front of the
        cursor can stand behind the mark as well, as the beginning of the middle.
        """
        return self.order[-1] is not Slot.PREFIX

    def _prompt_sentinels(self) -> Iterator[str]:
        for parts in (
            self.snippets_head,
            self.snippet,
            self.snippets_tail,
            self.order,
        ):
            for part in parts:
                if isinstance(part, Sentinel):
                    yield part.token
