"""Traces of typing: what a person would do to make one version of a file of another.

The differences of the two versions become *stretches*: the cursor jumps to a place,
what was deleted is selected and deleted, and what was added is typed in strokes, one
for each key. Enter brings the indentation of the line that is begun, as editors do.
Now and then a key is wrong: a few more follow before it is noticed, and all are taken
back. The same seed makes the same trace.
"""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from benchmarks.typing_edits import applied, is_word, replacements

__all__ = ["Stretch", "Stroke", "Trace", "trace_of"]

_KEY_MS, _KEY_SIGMA = 150.0, 0.5
_WORD_MS = 260.0
_ENTER_MS = 420.0
_JUMP_MS = 1_600.0
"""Medians of the pauses before a key, before a word's first one, before Enter and round
a jump; they are log-normal, with one deviation of the logarithm."""

_SLIP_SHARE = 0.03
_MOST_SLIP_KEYS = 3
_STRAY_SHARE = 0.25
"""Of the jumps so many go elsewhere than to the next difference below."""

_LETTERS = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stroke:
    """One key that adds to the text.

    Attributes:
        text: What it adds: a character, or a line feed with an indentation.
        gap_ms: The pause before it.
        slip: Wrong keys before it, each taken back with a key of its own.
    """

    text: str
    gap_ms: float
    slip: str = ""

    @property
    def keys(self) -> int:
        """How many keys it takes, with those of its slip."""
        return 1 + 2 * len(self.slip)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """What is done at one place.

    Attributes:
        start: The place, in the text as it is by then.
        removed_chars: How much is selected there and deleted, with one key.
        strokes: What is typed there.
        gap_ms: The pause before the jump to it, and between that and the first stroke.
    """

    start: int
    removed_chars: int
    strokes: tuple[Stroke, ...]
    gap_ms: float

    @property
    def keys(self) -> int:
        """How many keys it takes without any completion."""
        return bool(self.removed_chars) + sum(each.keys for each in self.strokes)

    @property
    def text(self) -> str:
        """What is typed."""
        return "".join(each.text for each in self.strokes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """A file that is worked on.

    Attributes:
        name: The file's name.
        language_id: Its language.
        text: The text at the beginning.
        stretches: What is done, in this order.
        tabs: Other files that are open, with their texts.
    """

    name: str
    language_id: str
    text: str
    stretches: tuple[Stretch, ...] = ()
    tabs: Mapping[str, str] = field(default_factory=dict)

    @property
    def keys(self) -> int:
        """How many keys it takes without any completion."""
        return sum(each.keys for each in self.stretches)

    def result(self) -> str:
        """Return the text at the end."""
        text = self.text
        for each in self.stretches:
            end = each.start + each.removed_chars
            text = text[: each.start] + each.text + text[end:]
        return text


def trace_of(
    name: str,
    language_id: str,
    old: str,
    new: str,
    *,
    seed: int,
    most_keys: int | None = None,
    most_chars: int | None = None,
    tabs: Mapping[str, str] | None = None,
) -> Trace:
    """Return the trace that makes ``new`` of ``old``.

    Args:
        name: The file's name; with the seed it decides on every pause and slip.
        language_id: The file's language.
        old: The text to begin with.
        new: The text to end with.
        seed: Of the whole run.
        most_keys: Once so many keys are needed no further difference is typed; the text
            at the beginning has the others already.
        most_chars: Longer differences are not typed, and neither are deletions: they
            stand in the text at the beginning as well. None has all of them typed.
        tabs: Other files that are open.
    """
    chance = random.Random(f"{seed}/{name}")  # noqa: S311 - an experiment's seed
    changes = replacements(old, new)
    left = {
        number
        for number, each in enumerate(changes)
        if most_chars is None or 0 < len(each.text) <= most_chars
    }
    order: list[tuple[int, tuple[Stroke, ...]]] = []
    keys = 0
    for number in _order(sorted(left), chance):
        if most_keys is not None and keys >= most_keys:
            break
        strokes = tuple(_strokes(changes[number].text, chance))
        keys += sum(each.keys for each in strokes) + 1
        order.append((number, strokes))
    typed = {number for number, _ in order}
    done = set(range(len(changes))) - typed
    text = applied(old, [changes[number] for number in sorted(done)])
    stretches = []
    for number, strokes in order:
        change = changes[number]
        moved = sum(
            len(changes[each].text) - (changes[each].end - changes[each].start)
            for each in done
            if each < number
        )
        stretches.append(
            Stretch(
                start=change.start + moved,
                removed_chars=change.end - change.start,
                strokes=strokes,
                gap_ms=_gap_ms(_JUMP_MS, chance),
            )
        )
        done.add(number)
    return Trace(
        name=name,
        language_id=language_id,
        text=text,
        stretches=tuple(stretches),
        tabs=tabs or {},
    )


def _order(numbers: list[int], chance: random.Random) -> Iterator[int]:
    """Yield all numbers from any one on, mostly the next one, now and then another."""
    at = chance.randrange(max(1, len(numbers)))
    while numbers:
        if chance.random() < _STRAY_SHARE:
            at = chance.randrange(len(numbers))
        yield numbers.pop(min(at, len(numbers) - 1))
        at = 0 if at >= len(numbers) else at


def _strokes(text: str, chance: random.Random) -> Iterator[Stroke]:
    """Yield the strokes that type a text."""
    at, last = 0, "\n"
    while at < len(text):
        end = at + 1
        if text[at] == "\n":
            while end < len(text) and text[end] in " \t":
                end += 1
            if end < len(text) and text[end] == "\n":
                end = at + 1
        median_ms = _KEY_MS
        if text[at] == "\n":
            median_ms = _ENTER_MS
        elif is_word(text[at]) and not is_word(last):
            median_ms = _WORD_MS
        slip = ""
        if text[at].isalpha() and chance.random() < _SLIP_SHARE:
            wrong = chance.choice([each for each in _LETTERS if each != text[at]])
            more = text[at + 1 : at + chance.randint(1, _MOST_SLIP_KEYS)]
            slip = wrong + more.partition("\n")[0]
        yield Stroke(text=text[at:end], gap_ms=_gap_ms(median_ms, chance), slip=slip)
        at, last = end, text[at]


def _gap_ms(median_ms: float, chance: random.Random) -> float:
    return median_ms * chance.lognormvariate(0.0, _KEY_SIGMA)
