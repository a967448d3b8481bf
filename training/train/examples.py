"""Renders cut windows as token ids, each with its role in the loss.

A middle's prompt is the server's: ``marked-cursor`` is its own definition in
`lsp_server.prompt.own_families`. The other formats differ from it in one thing each, to
show what that thing is worth.
"""

import enum
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from types import MappingProxyType
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from lsp_server.errors import TrainingError
from lsp_server.prompt.fim import FimFamily, Literal, Part, Sentinel, Slot
from lsp_server.prompt.own_families import MIDFILL_MARKED_CURSOR
from lsp_server.prompt.tokenizer import FastTokenizer
from training.train.config import Cuts, FormatName, Stage
from training.train.cuts import Cut, cut_window, windows
from training.train.documents import Document, Span, draw_snippets, read_outline

__all__ = ["FORMATS", "Example", "ExampleMaker", "Role"]

_PREFIX = Sentinel("<|fim_prefix|>")
_SUFFIX = Sentinel("<|fim_suffix|>")
_MIDDLE = Sentinel("<|fim_middle|>")


def _ordered(*parts: Part) -> FimFamily:
    """Return the server's newest format with these parts behind the snippets."""
    begin, snippets, *_ = MIDFILL_MARKED_CURSOR.order
    return replace(MIDFILL_MARKED_CURSOR, order=(begin, snippets, *parts))


FORMATS: Mapping[FormatName, FimFamily] = MappingProxyType(
    {
        # The suffix first, and nothing between prefix and middle.
        "midfill": _ordered(_PREFIX, _SUFFIX, Slot.SUFFIX, _MIDDLE, Slot.PREFIX),
        # PSM, the suffix right before the middle: Bavarian et al., arXiv 2207.14255.
        "prefix-first": _ordered(_PREFIX, Slot.PREFIX, _SUFFIX, Slot.SUFFIX, _MIDDLE),
        # The suffix first, and a sentinel at the cursor.
        "marked-cursor": MIDFILL_MARKED_CURSOR,
    }
)
"""Each format by its name."""


_PAD = "<|fim_pad|>"
_CHARS_PER_TOKEN = 3.5
"""Fewer than measured (3.97), so that few windows need clipping."""


class Role(enum.IntEnum):
    """How a token counts in the loss, as a target."""

    NONE = 0
    CONTEXT = 1
    MIDDLE = 2


Target: TypeAlias = tuple[int, Role]
"""A token id, and how it counts in the loss."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One window as the model reads it.

    Attributes:
        tokens: Ids, shape (length,).
        roles: Values of `Role`, shape (length,). The prompt's sentinels have none:
            their places are random.
        cut: The rendered cut; None for text that is read left to right.
    """

    tokens: npt.NDArray[np.uint16]
    roles: npt.NDArray[np.uint8]
    cut: Cut | None = None


class ExampleMaker:
    """Makes examples of documents: cuts, encodes and renders them."""

    def __init__(self, tokenizer_folder: Path, cuts: Cuts) -> None:
        """Load the tokenizer.

        Args:
            tokenizer_folder: Folder with ``tokenizer.json``.
            cuts: How windows become examples.

        Raises:
            ModelError: The tokenizer cannot be used.
            TrainingError: It lacks a sentinel, or has more ids than 16 bits.
        """
        self._tokenizer = FastTokenizer(tokenizer_folder)
        self._family: FimFamily = FORMATS[cuts.format]
        self._cuts = cuts
        self._ids = {
            name: self._sentinel_id(name, tokenizer_folder)
            for name in (*self._family.sentinels, _PAD)
        }
        if self._tokenizer.vocabulary_size > np.iinfo(np.uint16).max:
            raise TrainingError(
                "the tokenizer has more tokens than 16 bits can number",
                subject=str(tokenizer_folder),
                remedy="Use a smaller vocabulary",
            )

    @property
    def vocabulary_size(self) -> int:
        """One more than the highest token id."""
        return self._tokenizer.vocabulary_size

    @property
    def pad_id(self) -> int:
        """The padding token."""
        return self._ids[_PAD]

    @property
    def end_id(self) -> int:
        """The token that ends a middle and a document."""
        return self._ids[self._family.stop_tokens[0]]

    def examples(
        self,
        document: Document,
        stage: Stage,
        rng: random.Random,
        neighbours: Sequence[Document] = (),
    ) -> Iterator[Example]:
        """Yield the examples of one document, some with snippets of ``neighbours``.

        A window whose middle does not fit into a row is left out.
        """
        text = document.text
        outline = read_outline(text)
        for window in windows(
            text,
            shortest_chars=int(stage.shortest_window_tokens * _CHARS_PER_TOKEN),
            longest_chars=int(stage.longest_window_tokens * _CHARS_PER_TOKEN),
            rng=rng,
        ):
            if rng.random() >= self._cuts.fim_share:
                yield self._left_to_right(text, window, stage.row_tokens)
                continue
            cut = cut_window(text, window, outline, rng, self._cuts)
            snippets: Sequence[Document] = ()
            if neighbours and rng.random() < self._cuts.neighbours_share:
                snippets = draw_snippets(neighbours, rng)
            example = self.render(
                cut, most_tokens=stage.row_tokens, path=document.path, snippets=snippets
            )
            if example is not None:
                yield example

    def render(
        self,
        cut: Cut,
        *,
        most_tokens: int,
        path: str = "",
        snippets: Sequence[Document] = (),
    ) -> Example | None:
        """Render one cut.

        Prefix, middle and suffix are encoded separately, as in the server's prompt.

        Args:
            cut: The cut.
            most_tokens: Longest example; prefix and suffix lose their outer ends.
            path: Path of the document that was cut.
            snippets: Parts of other files; left out if they take over half of the room.

        Returns:
            The example; None if the middle leaves no room.
        """
        encode = self._tokenizer.encode
        prefix, middle, suffix = map(encode, (cut.prefix, cut.middle, cut.suffix))
        frame = sum(isinstance(part, Sentinel) for part in self._family.order)
        room = most_tokens - frame - len(middle) - 1
        if room < 0:
            return None
        before = self._render_snippets(snippets, path)
        if len(before) > room // 2:
            before = []
        room -= len(before)
        # The suffix is clipped first, down to half of the room.
        kept_suffix = suffix[: max(room - len(prefix), room // 2)]
        kept_prefix = prefix[max(len(prefix) - (room - len(kept_suffix)), 0) :]
        found = list(
            self._render(
                self._family.order,
                {
                    Slot.SNIPPETS: before,
                    Slot.PREFIX: [(token, Role.CONTEXT) for token in kept_prefix],
                    Slot.SUFFIX: [(token, Role.CONTEXT) for token in kept_suffix],
                },
            )
        )
        found += [(token, Role.MIDDLE) for token in (*middle, self.end_id)]
        return _example(found, cut)

    def prompt(
        self, prefix: str, suffix: str | None, *, most_tokens: int
    ) -> tuple[int, ...]:
        """Return the prompt for a middle, clipped to ``most_tokens``.

        Without a suffix it is the prefix alone, to be continued left to right.
        """
        if suffix is None:
            kept = self._tokenizer.encode(prefix)[-(most_tokens - 1) :]
            return (self.end_id, *kept)
        cut = Cut(prefix=prefix, middle="", suffix=suffix)
        example = self.render(cut, most_tokens=most_tokens + 1)
        return () if example is None else tuple(example.tokens[:-1].tolist())

    def decode(self, tokens: Sequence[int]) -> str:
        """Return the text of token ids, sentinels by their names."""
        names = {token_id: name for name, token_id in self._ids.items()}
        parts: list[str] = []
        for is_sentinel, run in groupby(tokens, key=names.__contains__):
            ids = list(run)
            parts += (
                map(names.__getitem__, ids)
                if is_sentinel
                else [self._tokenizer.decode(ids)]
            )
        return "".join(parts)

    def _render_snippets(self, snippets: Sequence[Document], path: str) -> list[Target]:
        """Render parts of other files in the order of their paths, as the server."""
        if not snippets:
            return []
        family = self._family
        found = list(self._render(family.snippets_head, {}))
        for each in sorted(snippets, key=lambda each: (each.path, each.text)):
            text = self._tokenizer.encode(each.text.rstrip("\n"))
            filling = {
                Slot.PATH: self._unscored(each.path),
                Slot.TEXT: [(token, Role.CONTEXT) for token in text],
            }
            found += self._render(family.snippet, filling)
        return found + list(
            self._render(family.snippets_tail, {Slot.PATH: self._unscored(path)})
        )

    def _unscored(self, path: str) -> list[Target]:
        return [(token, Role.NONE) for token in self._tokenizer.encode(path)]

    def _render(
        self, layout: Sequence[Part], filling: Mapping[Slot, Sequence[Target]]
    ) -> Iterator[Target]:
        for part in layout:
            match part:
                case Sentinel(token=name):
                    yield self._ids[name], Role.NONE
                case Literal(text=text):
                    for token in self._tokenizer.encode(text):
                        yield token, Role.NONE
                case Slot():
                    yield from filling.get(part, ())

    def _left_to_right(self, text: str, window: Span, most_tokens: int) -> Example:
        body = [*self._tokenizer.encode(text[window[0] : window[1]])]
        if window[1] == len(text):
            body.append(self.end_id)
        found = [(self.end_id, Role.NONE), *((each, Role.CONTEXT) for each in body)]
        return _example(found[:most_tokens], None)

    def _sentinel_id(self, name: str, folder: Path) -> int:
        token_id = self._tokenizer.token_id(name)
        if token_id is None:
            raise TrainingError(
                f"the tokenizer has no token {name!r}",
                subject=str(folder),
                remedy="Train with the tokenizer of Midfill's starter model",
            )
        return token_id


def _example(found: Sequence[Target], cut: Cut | None) -> Example:
    return Example(
        tokens=np.array([token for token, _ in found], np.uint16),
        roles=np.array([role for _, role in found], np.uint8),
        cut=cut,
    )
