"""Turns cut windows into token ids, each with what it counts in the loss.

A middle is asked for exactly as the editor's prompt asks for it: both follow the same
format, `lsp_server.prompt.families`.
"""

import enum
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from lsp_server.errors import TrainingError
from lsp_server.prompt.fast_tokenizer import FastTokenizer
from lsp_server.prompt.fim import FimFamily, Literal, Part, Sentinel, Slot
from training.train.config import Cuts, Stage
from training.train.documents import Document
from training.train.fim import Cut, cut_window, windows
from training.train.formats import FORMATS
from training.train.neighbours import draw_pieces
from training.train.outline import Span, read_outline

__all__ = ["Example", "ExampleMaker", "Role"]

_PAD = "<|fim_pad|>"
_CHARS_PER_TOKEN = 3.5
"""Somewhat fewer than measured (3.97), as few windows should need clipping."""


class Role(enum.IntEnum):
    """What a token is to the loss, as a target."""

    NONE = 0
    CONTEXT = 1
    MIDDLE = 2


Target: TypeAlias = tuple[int, Role]
"""A token id, and what it is to the loss."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One window as the model reads it.

    Attributes:
        tokens: Ids, shape (length,).
        roles: Values of `Role`, shape (length,); sentinels of the prompt have none, as
            where they stand was drawn by lot.
        cut: What was rendered; None for text that is read left to right.
    """

    tokens: npt.NDArray[np.uint16]
    roles: npt.NDArray[np.uint8]
    cut: Cut | None = None


class ExampleMaker:
    """Cuts, encodes and renders documents."""

    def __init__(self, tokenizer_folder: Path, cuts: Cuts) -> None:
        """Load the tokenizer, to make examples as ``cuts`` says.

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
        """The token that fills a row's rest."""
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
        """Give the examples of one document, pieces of ``neighbours`` before some.

        A window whose middle alone does not fit into a row is left out.
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
            pieces: Sequence[Document] = ()
            if neighbours and rng.random() < self._cuts.neighbours_share:
                pieces = draw_pieces(neighbours, rng)
            example = self.render(
                cut, most_tokens=stage.row_tokens, path=document.path, pieces=pieces
            )
            if example is not None:
                yield example

    def render(
        self,
        cut: Cut,
        *,
        most_tokens: int,
        path: str = "",
        pieces: Sequence[Document] = (),
    ) -> Example | None:
        """Render one cut, clipped on its outer sides to ``most_tokens``.

        Prefix, middle and suffix are encoded apart, as the editor's prompt does it.
        Pieces of other files that would take more than half of the room are left out.
        None where the middle leaves no room.
        """
        encode = self._tokenizer.encode
        prefix, middle, suffix = map(encode, (cut.prefix, cut.middle, cut.suffix))
        frame = sum(isinstance(part, Sentinel) for part in self._family.order)
        room = most_tokens - frame - len(middle) - 1
        if room < 0:
            return None
        snippets = self._render_pieces(pieces, path)
        if len(snippets) > room // 2:
            snippets = []
        room -= len(snippets)
        # The suffix gives way first, down to half of the room.
        kept_suffix = suffix[: max(room - len(prefix), room // 2)]
        kept_prefix = prefix[max(len(prefix) - (room - len(kept_suffix)), 0) :]
        found = list(
            self._render(
                self._family.order,
                {
                    Slot.SNIPPETS: snippets,
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
        """Give the ids that ask for a middle; without a suffix, to read on from left.

        They are clipped to ``most_tokens``.
        """
        if suffix is None:
            kept = self._tokenizer.encode(prefix)[-(most_tokens - 1) :]
            return (self.end_id, *kept)
        cut = Cut(prefix=prefix, middle="", suffix=suffix)
        example = self.render(cut, most_tokens=most_tokens + 1)
        return () if example is None else tuple(example.tokens[:-1].tolist())

    def decode(self, tokens: Sequence[int]) -> str:
        """Give the text of ids, sentinels by their names."""
        names = {token_id: name for name, token_id in self._ids.items()}
        parts: list[str] = []
        for is_sentinel, run in groupby(tokens, key=names.__contains__):
            ids = list(run)
            parts += map(names.__getitem__, ids) if is_sentinel else [self._plain(ids)]
        return "".join(parts)

    def _plain(self, tokens: Sequence[int]) -> str:
        return self._tokenizer.decode(tokens)

    def _render_pieces(self, pieces: Sequence[Document], path: str) -> list[Target]:
        """Render pieces of other files in the order of their paths, as the server."""
        if not pieces:
            return []
        family = self._family
        found = list(self._render(family.snippets_head, {}))
        for piece in sorted(pieces, key=lambda each: (each.path, each.text)):
            text = self._tokenizer.encode(piece.text.rstrip("\n"))
            filling = {
                Slot.PATH: self._context(piece.path),
                Slot.TEXT: [(token, Role.CONTEXT) for token in text],
            }
            found += self._render(family.snippet, filling)
        name = PurePosixPath(path).name
        return found + list(
            self._render(family.snippets_tail, {Slot.PATH: self._context(name)})
        )

    def _context(self, path: str) -> list[Target]:
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
