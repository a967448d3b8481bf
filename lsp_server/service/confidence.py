"""Ends a generated text where it is no longer likely to be right.

The joint probability of a text is the product of its tokens' probabilities, from the
first one that the user has not typed. It falls with each token, so a text is shown up
to the last token at which it is still high enough, and the rest is not generated.
"""

import bisect
import math
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

from lsp_server.config import Eagerness
from lsp_server.language.languages import language_of
from lsp_server.modelstore.manifest import OTHER_LANGUAGES, ConfidenceLevels
from lsp_server.text import is_word_char
from lsp_server.values import Trigger

__all__ = ["DEFAULT_LEVELS", "Confidence", "Likelihood", "floor_of", "whole_end"]

DEFAULT_LEVELS = ConfidenceLevels(low=0.7, normal=0.5, high=0.25)
"""Used where a model's manifest has nothing for a language, nor for other ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Likelihood:
    """How likely a text was.

    Attributes:
        logprob: The logarithm of its joint probability.
        tokens: How many tokens that is the sum of.
    """

    logprob: float
    tokens: int


def floor_of(
    levels: Mapping[str, ConfidenceLevels],
    language_id: str,
    eagerness: Eagerness,
    trigger: Trigger,
) -> float:
    """Return the least joint probability of a text that is shown; 0 shows any.

    Args:
        levels: What the model was calibrated to, by language id; `OTHER_LANGUAGES` has
            what holds in those that are not named.
        language_id: The document's language id.
        eagerness: How much the user wants to see.
        trigger: Who asked; one who asks by hand gets an answer in any case.
    """
    if trigger is Trigger.INVOKED:
        return 0.0
    ids = (language_id, language_of(language_id).name, OTHER_LANGUAGES)
    named = (levels[each] for each in ids if each in levels)
    of_language = next(named, DEFAULT_LEVELS)
    match eagerness:
        case Eagerness.LOW:
            return of_language.low
        case Eagerness.NORMAL:
            return of_language.normal
        case Eagerness.HIGH:
            return of_language.high
        case Eagerness.ALWAYS:
            return 0.0


class Confidence:
    """The joint probability of one generated text, token by token.

    Args:
        held_chars: The length of the text that the generation has to begin with, in
            code points. Tokens within it do not count: the model had no choice. One
            that goes beyond it counts, with its probability among those allowed.
        floor: The least joint probability of a text that is shown.
    """

    def __init__(self, *, held_chars: int, floor: float) -> None:
        self._held_chars = held_chars
        self._least_logprob = math.log(floor) if floor > 0 else -math.inf
        self._written_chars = 0
        self._pending_logprob = 0.0
        self._is_enough = True
        self._ends = [held_chars]
        self._logprobs = [0.0]

    @property
    def is_enough(self) -> bool:
        """Whether all tokens until now are likely enough together."""
        return self._is_enough

    @property
    def sure_chars(self) -> int:
        """How long the text is that is likely enough, the held text included."""
        return self._ends[-1]

    def add(self, logprob: float, written_chars: int) -> None:
        """Count a token.

        Args:
            logprob: Its log-probability.
            written_chars: The length of the text with it, the held text included. One
                that holds a part of a character counts with that character.
        """
        self._pending_logprob += logprob
        if written_chars <= self._written_chars:
            return
        self._written_chars = written_chars
        counted, self._pending_logprob = self._pending_logprob, 0.0
        if written_chars <= self._held_chars or not self._is_enough:
            return
        joint = self._logprobs[-1] + counted
        self._is_enough = joint >= self._least_logprob
        if self._is_enough:
            self._ends.append(written_chars)
            self._logprobs.append(joint)

    def likelihood(self, chars: int) -> Likelihood:
        """Return how likely the first ``chars`` of the text are.

        A token that reaches beyond them counts as a whole.
        """
        at = min(bisect.bisect_left(self._ends, chars), len(self._ends) - 1)
        return Likelihood(logprob=self._logprobs[at], tokens=at)


def whole_end(text: str, end: int) -> int:
    """Return the last place up to ``end`` that is in no word, escape or character.

    Args:
        text: All that was generated, beyond ``end`` too.
        end: Where to cut, in code points.
    """
    while 0 < end < len(text) and _splits(text, end):
        end -= 1
    return end


def _splits(text: str, at: int) -> bool:
    """Return whether a cut at ``at`` would part what belongs together."""
    before, after = text[at - 1], text[at]
    if is_word_char(before) and is_word_char(after):
        return True
    if before + after == "\r\n" or before == "\u200d" or _joins_to_left(after):
        return True
    backslashes = at - len(text[:at].rstrip("\\"))
    return backslashes % 2 == 1


def _joins_to_left(char: str) -> bool:
    """Return whether ``char`` is drawn together with the character before it."""
    is_emoji_tone = "\U0001f3fb" <= char <= "\U0001f3ff"
    is_mark = unicodedata.category(char).startswith("M")
    return is_mark or is_emoji_tone or char == "\u200d"
