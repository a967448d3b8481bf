"""Where ghosts come from: Midfill through LSP, and vLLM asked by a naive client."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Protocol

from benchmarks.engine_tap import RawOrder, RawTimes, Seen
from benchmarks.load_speech import Speech
from benchmarks.side_channel import SideChannel
from benchmarks.typing_events import Ghost, Spent
from lsp_server.client.documents import Answer, PendingAnswer, Suggestion
from lsp_server.client.headless import HeadlessClient
from lsp_server.prompt.fim import FimFamily, Literal, Sentinel, Slot
from lsp_server.prompt.raw_text import RawEncoder
from lsp_server.prompt.tokenizer import FastTokenizer
from lsp_server.values import Priority, Trigger

__all__ = ["EngineLog", "LspSource", "NaiveSource"]


class EngineLog(Protocol):
    """Knows what the server asked of the engine."""

    async def taken(self) -> Sequence[Seen]:
        """Return what the engine saw since the last call."""
        ...


class LspSource:
    """An editor on Midfill's server, which asks by itself after every event.

    Args:
        client: The editor.
        side: Knows what the server asked of the engine.
        cancels: Whether it cancels a request that it supersedes, as VS Code does.
        tells_cursor: Whether it says where the cursor rests, as VS Code and Neovim do.
    """

    def __init__(
        self,
        client: HeadlessClient,
        side: EngineLog,
        *,
        cancels: bool,
        tells_cursor: bool,
    ) -> None:
        self._client = client
        self._side = side
        self._cancels = cancels
        self._tells_cursor = tells_cursor

    def configure(self, settings: Mapping[str, object]) -> None:
        """Have these settings on top of those of the server's start, and no others."""
        self._client.configure({"midfill": settings})

    def open(self, uri: str, language_id: str, text: str) -> None:
        """Send ``didOpen``."""
        self._client.open_text(uri, text, language_id=language_id)

    def edit(self, uri: str, start: int, end: int, text: str) -> None:
        """Send ``didChange``."""
        self._client.edit(uri, start, end, text)

    def rest(self, uri: str, offset: int) -> None:
        """Send ``midfill/cursor``, if this editor does."""
        if self._tells_cursor:
            self._client.rest_cursor(uri, offset)

    def ask(self, uri: str, offset: int) -> asyncio.Task[Ghost]:
        """Send ``inlineCompletion``."""
        pending = self._client.ask(uri, offset, trigger=Trigger.AUTOMATIC)
        return asyncio.create_task(self._ghost(pending, offset))

    async def _ghost(self, pending: PendingAnswer, offset: int) -> Ghost:
        try:
            answer = await asyncio.shield(pending.answer)
        except asyncio.CancelledError:
            if self._cancels:
                self._client.cancel(pending)
            raise
        return _ghost_of(answer, offset)

    def accept(self, ghost: Ghost, chars: int) -> None:
        """Run the item's command, as VS Code and Neovim do."""
        if isinstance(ghost.item, Suggestion):
            self._client.accept(ghost.item, chars)

    async def why_nothing(self) -> str:
        """Ask for the trace of the last request."""
        return str((await self._client.trace()).get("reason") or "")

    def close(self, uri: str) -> None:
        """Send ``didClose``."""
        self._client.close_file(uri)

    async def spent(self) -> Sequence[Spent]:
        """Ask the engine's tap."""
        return [_spent_of(seen) for seen in await self._side.taken()]


def _ghost_of(answer: Answer, offset: int) -> Ghost:
    """Return what the first suggestion inserts at the cursor.

    One that replaces text right of the cursor is none that can be typed.
    """
    for each in answer.suggestions[:1]:
        if each.end == offset:
            return Ghost(text=each.text[offset - each.start :], item=each)
    return Ghost(text="")


def _spent_of(seen: Seen) -> Spent:
    return Spent(
        asked_s=seen.asked_s,
        prompt_tokens=len(seen.token_ids),
        cached_tokens=seen.cached_tokens if seen.first_token_s else None,
        output_tokens=seen.output_tokens,
        is_ahead=seen.priority > Priority.AUTOMATIC,
    )


class NaiveSource:
    """A client of plain vLLM: so many characters round the cursor, up to a line's end.

    It has no debounce, no cache and no filters, and its window moves with the cursor.
    A request that it supersedes is aborted.

    Args:
        side: Asks `AsyncLLM` itself.
        door: Another connection like it, to end what that waits for.
        tokenizer: The model's tokenizer.
        family: Its prompt's format.
        max_tokens: The most tokens of an answer.
        before_chars: How much of the text left of the cursor is sent.
        after_chars: How much of the text right of the cursor is sent.
        speech: What is read in place of the engine's tokens; None reads them.
    """

    def __init__(
        self,
        side: SideChannel,
        door: SideChannel,
        tokenizer: FastTokenizer,
        family: FimFamily,
        *,
        max_tokens: int,
        before_chars: int,
        after_chars: int,
        speech: Speech | None = None,
    ) -> None:
        self._speech = speech
        self._side = side
        self._door = door
        self._tokenizer = tokenizer
        self._family = family
        self._max_tokens = max_tokens
        self._before_chars = before_chars
        self._after_chars = after_chars
        self._texts: dict[str, str] = {}
        self._spent: list[Spent] = []
        self._asking = asyncio.Lock()
        self._raw = RawEncoder(tokenizer)
        stops = [tokenizer.token_id(each) for each in family.stop_tokens]
        line_ends = [
            each
            for each in range(tokenizer.vocabulary_size)
            if b"\n" in tokenizer.token_bytes(each)
        ]
        self._stop_ids = [each for each in stops if each is not None]
        self._stop_ids += line_ends

    def open(self, uri: str, _language_id: str, text: str) -> None:
        """Keep the text."""
        self._texts[uri] = text

    def edit(self, uri: str, start: int, end: int, text: str) -> None:
        """Change the text."""
        was = self._texts[uri]
        self._texts[uri] = was[:start] + text + was[end:]

    def rest(self, uri: str, offset: int) -> None:
        """Do nothing: vLLM reads no prompt ahead by itself."""

    def ask(self, uri: str, offset: int) -> asyncio.Task[Ghost]:
        """Ask at once."""
        return asyncio.create_task(self._ghost(self._texts[uri], offset))

    async def _ghost(self, text: str, offset: int) -> Ghost:
        # The request that was superseded is on its way out.
        async with self._asking:
            asked_s = time.perf_counter()
            token_ids = self._prompt(text, offset)
            speech = self._speech
            order = RawOrder(
                token_ids=list(token_ids),
                max_tokens=speech.length_for(token_ids) if speech else self._max_tokens,
                stop_token_ids=[] if speech else self._stop_ids,
                enough_tokens=0,
            )
            waiting = asyncio.create_task(self._side.raw_until_stopped(order))
            try:
                raw = await asyncio.shield(waiting)
            except asyncio.CancelledError:
                await self._door.stop_raw()
                await waiting
                raise
            finally:
                self._note(asked_s, len(token_ids), waiting.result())
        found = raw.token_ids if raw else ()
        written = self._tokenizer.decode(speech.first(len(found)) if speech else found)
        return Ghost(text=written.partition("\n")[0])

    def _note(self, asked_s: float, prompt_tokens: int, raw: RawTimes | None) -> None:
        self._spent.append(
            Spent(
                asked_s=asked_s,
                prompt_tokens=prompt_tokens,
                cached_tokens=raw.cached_tokens if raw else None,
                output_tokens=raw.output_tokens if raw else 0,
            )
        )

    def _prompt(self, text: str, offset: int) -> tuple[int, ...]:
        """Render the window in the family's format, control tokens by their names."""
        before = text[max(0, offset - self._before_chars) : offset]
        after = text[offset : offset + self._after_chars]
        parts = []
        for part in self._family.order:
            match part:
                case Sentinel(token=name):
                    parts.append(name)
                case Literal(text=fixed):
                    parts.append(fixed)
                case Slot.PREFIX:
                    parts.append(before)
                case Slot.SUFFIX:
                    parts.append(after)
        return self._raw.encode("".join(parts))

    def accept(self, ghost: Ghost, chars: int) -> None:
        """Do nothing: nobody wants to know."""

    async def why_nothing(self) -> str:
        """Return nothing: vLLM gives no reasons."""
        return ""

    def close(self, uri: str) -> None:
        """Forget the text."""
        del self._texts[uri]

    async def spent(self) -> Sequence[Spent]:
        """Return what was asked since the last call."""
        spent, self._spent = self._spent, []
        return spent
