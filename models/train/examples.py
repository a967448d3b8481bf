"""Turns cut windows into token ids, each with what it counts in the loss.

A middle is asked for exactly as the editor's prompt asks for it: both follow the same
format, `lsp_server.prompt.families`.
"""

import enum
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lsp_server.errors import TrainingError
from lsp_server.prompt.families import find_family
from lsp_server.prompt.fast_tokenizer import FastTokenizer
from lsp_server.prompt.fim import FimFamily, Literal, Sentinel, Slot
from models.train.config import Stage
from models.train.fim import Cut, cut_window, windows
from models.train.outline import Outline, Span, read_outline

__all__ = ["Example", "ExampleMaker", "Role"]

_FAMILY = "midfill"
_PAD = "<|fim_pad|>"
_CHARS_PER_TOKEN = 3.5
"""Somewhat fewer than measured (3.97), as few windows should need clipping."""


class Role(enum.IntEnum):
    """What a token is to the loss, as a target."""

    NONE = 0
    CONTEXT = 1
    MIDDLE = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One window as the model reads it.

    Attributes:
        tokens: Ids, shape (length,).
        roles: Values of `Role`, shape (length,); sentinels of the prompt have none, as
            where they stand was drawn by lot.
    """

    tokens: npt.NDArray[np.uint16]
    roles: npt.NDArray[np.uint8]


class ExampleMaker:
    """Cuts, encodes and renders documents."""

    def __init__(
        self, tokenizer_folder: Path, *, fim_share: float, cursor_share: float
    ) -> None:
        """Load the tokenizer.

        ``fim_share`` of the windows get a middle, ``cursor_share`` of these one that
        begins at a cursor.

        Raises:
            ModelError: The tokenizer cannot be used.
            TrainingError: It lacks a sentinel, or has more ids than 16 bits.
        """
        self._tokenizer = FastTokenizer(tokenizer_folder)
        self._family: FimFamily = find_family(_FAMILY)
        self._fim_share, self._cursor_share = fim_share, cursor_share
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
        self, text: str, stage: Stage, rng: random.Random
    ) -> Iterator[Example]:
        """Give the examples of one document.

        A window whose middle alone does not fit into a row is left out.
        """
        outline = read_outline(text)
        for window in windows(
            text,
            shortest_chars=int(stage.shortest_window_tokens * _CHARS_PER_TOKEN),
            longest_chars=int(stage.longest_window_tokens * _CHARS_PER_TOKEN),
            rng=rng,
        ):
            example = self._example(text, window, outline, stage, rng)
            if example is not None:
                yield example

    def _example(
        self,
        text: str,
        window: Span,
        outline: Outline,
        stage: Stage,
        rng: random.Random,
    ) -> Example | None:
        if rng.random() < self._fim_share:
            cut = cut_window(
                text, window, outline, rng, cursor_share=self._cursor_share
            )
            return self.render(cut, most_tokens=stage.row_tokens)
        return self._left_to_right(text, window, stage.row_tokens)

    def render(self, cut: Cut, *, most_tokens: int) -> Example | None:
        """Render one cut, clipped on its outer sides to ``most_tokens``.

        Prefix, middle and suffix are encoded apart, as the editor's prompt does it.
        None where the middle leaves no room.
        """
        prefix, middle, suffix = map(
            self._tokenizer.encode, (cut.prefix, cut.middle, cut.suffix)
        )
        frame = sum(isinstance(part, Sentinel) for part in self._family.order)
        room = most_tokens - frame - len(middle) - 1
        if room < 0:
            return None
        # The suffix gives way first, down to half of the room.
        kept_suffix = suffix[: max(room - len(prefix), room // 2)]
        kept_prefix = prefix[max(len(prefix) - (room - len(kept_suffix)), 0) :]
        tokens: list[int] = []
        roles: list[Role] = []
        filling = {Slot.PREFIX: kept_prefix, Slot.SUFFIX: kept_suffix}
        for part in self._family.order:
            match part:
                case Sentinel(token=name):
                    tokens.append(self._ids[name])
                    roles.append(Role.NONE)
                case Literal(text=text):
                    tokens.extend(self._tokenizer.encode(text))
                    roles.extend([Role.NONE] * (len(tokens) - len(roles)))
                case Slot():
                    tokens.extend(filling.get(part, ()))
                    roles.extend([Role.CONTEXT] * (len(tokens) - len(roles)))
        tokens.extend((*middle, self.end_id))
        roles.extend([Role.MIDDLE] * (len(middle) + 1))
        return _example(tokens, roles)

    def _left_to_right(self, text: str, window: Span, most_tokens: int) -> Example:
        body = self._tokenizer.encode(text[window[0] : window[1]])
        tokens = [self.end_id, *body]
        roles = [Role.NONE, *([Role.CONTEXT] * len(body))]
        if window[1] == len(text):
            tokens.append(self.end_id)
            roles.append(Role.CONTEXT)
        return _example(tokens[:most_tokens], roles[:most_tokens])

    def _sentinel_id(self, name: str, folder: Path) -> int:
        token_id = self._tokenizer.token_id(name)
        if token_id is None:
            raise TrainingError(
                f"the tokenizer has no token {name!r}",
                subject=str(folder),
                remedy="Train with the tokenizer of Midfill's starter model",
            )
        return token_id


def _example(tokens: list[int], roles: list[Role]) -> Example:
    return Example(tokens=np.array(tokens, np.uint16), roles=np.array(roles, np.uint8))
