"""Replays a trace key by key, accepts what is right, and notes what each event cost.

After each event the source is asked for a ghost, and there is as much time for the
answer as passes until the next key; then the request is superseded. A ghost that says
what will be typed is accepted: wholly, or as many of its words as are right, if that
takes fewer keys than typing. Everything else is typed over. Accepting costs one key,
and one for each word otherwise; the user needs a moment for it.

What is waited for is real. Two kinds of pauses are cut short, for nothing happens in
them: once a key is answered the next one follows at once, and after Enter, a jump or an
accept at most `MOST_PAUSE_MS` pass, time in which the server can work ahead. Between a
jump and what is done there, a deletion or a request, as much passes again; the editor
says where the cursor rests.
"""

import asyncio
import itertools
import random
import re
import time
from collections.abc import Sequence
from urllib.parse import quote

from benchmarks.typing_events import Event, Ghost, GhostSource, Kind, Played
from benchmarks.typing_traces import Stretch, Stroke, Trace

__all__ = ["MOST_PAUSE_MS", "REST_MS", "play"]

MOST_PAUSE_MS = 400.0
REST_MS = 150.0
"""After so long without a move an editor says where the cursor is."""

_REACTION_MS, _REACTION_SIGMA = 350.0, 0.35
_WORD = re.compile(r"\s*(?:\w+|[^\w\s]+)|\s+")


async def play(
    source: GhostSource,
    trace: Trace,
    folder: str,
    *,
    seed: int,
    is_real_time: bool = False,
    is_patient: bool = False,
) -> Played:
    """Replay a trace.

    Args:
        source: Where ghosts come from.
        trace: The trace.
        folder: The URI of the folder that the files are in.
        seed: Decides how long the user looks at a ghost before accepting it.
        is_real_time: Whether no pause is cut short.
        is_patient: Whether the user waits for every answer, however long it takes.
    """
    uri = f"{folder}/{quote(trace.name)}"
    player = _Player(
        source,
        trace,
        uri,
        seed=seed,
        is_real_time=is_real_time,
        is_patient=is_patient,
    )
    tabs = {f"{folder}/{quote(name)}": text for name, text in trace.tabs.items()}
    for name, text in tabs.items():
        source.open(name, trace.language_id, text)
    source.open(uri, trace.language_id, trace.text)
    await source.spent()
    for at, stretch in enumerate(trace.stretches):
        following = (
            trace.stretches[at + 1].gap_ms if at + 1 < len(trace.stretches) else 0
        )
        await player.play_stretch(stretch, next_jump_ms=following)
    for name in (uri, *tabs):
        source.close(name)
    return Played(
        trace=trace,
        events=tuple(player.events),
        spent=tuple(await source.spent()),
        text=player.text,
    )


class _Player:
    """The user of one document."""

    def __init__(
        self,
        source: GhostSource,
        trace: Trace,
        uri: str,
        *,
        seed: int,
        is_real_time: bool,
        is_patient: bool,
    ) -> None:
        self._source = source
        self._uri = uri
        self._chance = random.Random(f"{seed}/{trace.name}/look")  # noqa: S311 - an experiment's seed
        self._is_real_time = is_real_time
        self._is_patient = is_patient
        self._cursor = 0
        self._left: list[Stroke] = []
        self.text = trace.text
        self.events: list[Event] = []

    async def play_stretch(self, stretch: Stretch, *, next_jump_ms: float) -> None:
        """Jump to a place, delete what is deleted there, and type the rest."""
        self._cursor = stretch.start + stretch.removed_chars
        self._left = list(stretch.strokes)
        await self._rest(stretch.gap_ms)
        if stretch.removed_chars:
            self._replace(stretch.start, "")
        deleting = int(stretch.removed_chars > 0)
        ghost = await self._event("jump", deleting, stretch.gap_ms)
        while self._left:
            ghost = await self._accepted(ghost, next_jump_ms)
            if self._left and ghost is None:
                ghost = await self._typed(next_jump_ms)
        self._left = []

    async def _rest(self, gap_ms: float) -> None:
        """Let the cursor rest at another place before anything is done there."""
        rest_ms = gap_ms if self._is_real_time else min(gap_ms, MOST_PAUSE_MS)
        await asyncio.sleep(min(rest_ms, REST_MS) / 1e3)
        if rest_ms >= REST_MS:
            self._source.rest(self._uri, self._cursor)
            await asyncio.sleep((rest_ms - REST_MS) / 1e3)

    async def _accepted(self, ghost: Ghost | None, next_jump_ms: float) -> Ghost | None:
        """Accept what is right of a ghost if that saves keys.

        Returns:
            The next ghost; None if nothing was accepted, or nothing more came.
        """
        if ghost is None:
            return None
        chars, keys = _worth_accepting(ghost.text, self._left)
        if not chars:
            return None
        await asyncio.sleep(self._lognormal_ms(_REACTION_MS, _REACTION_SIGMA) / 1e3)
        self._replace(self._cursor, ghost.text[:chars])
        self._left = _after(self._left, chars)
        self._source.accept(ghost, chars)
        return await self._event(
            "accept", keys, self._next_ms(next_jump_ms), accepted_chars=chars
        )

    async def _typed(self, next_jump_ms: float) -> Ghost | None:
        """Type the next stroke, with the slip before it."""
        stroke = self._left[0]
        for key in stroke.slip:
            self._replace(self._cursor, key)
            await self._event("slip", 1, stroke.gap_ms, is_clean=False)
        for left in range(len(stroke.slip), 0, -1):
            self._replace(self._cursor - 1, "")
            await self._event("slip", 1, stroke.gap_ms, is_clean=left == 1)
        self._replace(self._cursor, stroke.text)
        self._left.pop(0)
        kind = "enter" if stroke.text.startswith("\n") else "key"
        return await self._event(kind, 1, self._next_ms(next_jump_ms))

    async def _event(
        self,
        kind: Kind,
        keys: int,
        gap_ms: float,
        *,
        is_clean: bool = True,
        accepted_chars: int = 0,
    ) -> Ghost | None:
        """Ask after an event, and wait for the answer as long as the user would.

        Args:
            kind: What it was.
            keys: How many keys it took.
            gap_ms: Until the next key.
            is_clean: Whether the text is right, so that a ghost can be.
            accepted_chars: Of an accept, how much it inserted.

        Returns:
            The ghost, if one came in time and the text is right.
        """
        at_s = time.perf_counter()
        asked = self._source.ask(self._uri, self._cursor)
        timeout_s = None if self._is_patient else gap_ms / 1e3
        await asyncio.wait({asked}, timeout=timeout_s)
        if not asked.done():
            asked.cancel()
            await asyncio.wait({asked})
            self.events.append(
                Event(
                    kind=kind,
                    at_s=at_s,
                    keys=keys,
                    wait_ms=None,
                    accepted_chars=accepted_chars,
                )
            )
            return None
        wait_ms = (time.perf_counter() - at_s) * 1e3
        ghost = asked.result()
        ahead = "".join(each.text for each in self._left)
        word = _WORD.match(ghost.text)
        reason = ghost.reason
        if not ghost.text and reason is None:
            reason = await self._source.why_nothing()
        self.events.append(
            Event(
                kind=kind,
                at_s=at_s,
                keys=keys,
                wait_ms=wait_ms,
                ghost_chars=len(ghost.text),
                is_first_word_right=ahead.startswith(word[0])
                if word and is_clean
                else None,
                right_chars=_common_chars(ghost.text, ahead) if is_clean else 0,
                accepted_chars=accepted_chars,
                reason=reason,
            )
        )
        await self._pause(kind, gap_ms, wait_ms)
        return ghost if ghost.text and is_clean else None

    async def _pause(self, kind: Kind, gap_ms: float, waited_ms: float) -> None:
        """Wait for what is left of a pause, as far as it matters."""
        if self._is_real_time:
            await asyncio.sleep(max(0.0, gap_ms - waited_ms) / 1e3)
        elif kind in {"enter", "jump", "accept"}:
            rest_ms = min(gap_ms, MOST_PAUSE_MS) - waited_ms
            await asyncio.sleep(max(0.0, rest_ms) / 1e3)

    def _replace(self, start: int, text: str) -> None:
        """Replace what stands from ``start`` to the cursor."""
        self._source.edit(self._uri, start, self._cursor, text)
        self.text = self.text[:start] + text + self.text[self._cursor :]
        self._cursor = start + len(text)

    def _next_ms(self, next_jump_ms: float) -> float:
        return self._left[0].gap_ms if self._left else next_jump_ms

    def _lognormal_ms(self, median_ms: float, sigma: float) -> float:
        return median_ms * self._chance.lognormvariate(0.0, sigma)


def _common_chars(left: str, right: str) -> int:
    """Return how many characters two texts have in common at their beginning."""
    pairs = zip(left, right, strict=False)
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))


def _worth_accepting(ghost: str, left: Sequence[Stroke]) -> tuple[int, int]:
    """Return how much of a ghost to accept, and how many keys that takes; else 0, 0."""
    ahead = "".join(each.text for each in left)
    if ahead.startswith(ghost):
        return (len(ghost), 1) if _keys_of(left, len(ghost)) > 1 else (0, 0)
    chars, keys = 0, 0
    for word in _WORD.finditer(ghost):
        if not ahead.startswith(ghost[: word.end()]):
            break
        chars, keys = word.end(), keys + 1
    return (chars, keys) if _keys_of(left, chars) > keys else (0, 0)


def _keys_of(left: Sequence[Stroke], chars: int) -> int:
    """Return how many keys the strokes take that these characters stand for."""
    keys = 0
    for stroke in left:
        if chars <= 0:
            break
        keys += stroke.keys
        chars -= len(stroke.text)
    return keys


def _after(left: Sequence[Stroke], chars: int) -> list[Stroke]:
    """Return the strokes that remain; a part of an indentation is a stroke, too."""
    for number, stroke in enumerate(left):
        if chars < len(stroke.text):
            rest = Stroke(text=stroke.text[chars:], gap_ms=stroke.gap_ms)
            return [rest if chars else stroke, *left[number + 1 :]]
        chars -= len(stroke.text)
    return []
