"""Streams generated text for the REST API: whole characters, ended by stop strings."""

import asyncio
import enum
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

from lsp_server.engine.base import Engine
from lsp_server.errors import GenerationError
from lsp_server.privacy.output_check import StreamCheck
from lsp_server.prompt.tokenizer import StreamDecoder, Tokenizer
from lsp_server.service import reasons
from lsp_server.service.privacy import Privacy
from lsp_server.service.request_report import log_reason
from lsp_server.service.stop_strings import IndentRule, StopStrings
from lsp_server.telemetry import RequestTrace
from lsp_server.values import FinishReason, GenerationRequest, TokenDelta

__all__ = ["StopCause", "TextDelta", "TextRequest", "merged", "stream_text"]

_QUEUED_DELTAS = 64


class StopCause(enum.Enum):
    """Why a text ended."""

    MODEL = "model"
    STOP_STRING = "stop-string"
    LENGTH = "length"
    TIME = "time"
    INDENT = "indent"
    PRIVACY = "privacy"


@dataclass(frozen=True, slots=True, kw_only=True)
class TextRequest:
    """One text to generate.

    Attributes:
        generation: What the engine is asked for.
        stops: Strings before which the text ends.
        min_indent: The text ends before a line that is indented less; 0 is off.
        max_predict_ms: When the text ends behind a line end, in milliseconds from the
            first token on; 0 is never.
        before: The client's text before the generated one.
        after: The client's text behind it.
    """

    generation: GenerationRequest
    stops: tuple[str, ...] = ()
    min_indent: int = 0
    max_predict_ms: int = 0
    before: str = ""
    after: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextDelta:
    """What was generated since the previous delta.

    Attributes:
        text: The new text; may be empty.
        new_tokens: The tokens that were generated, those of stop strings included.
        cause: Why the text ended; None while it goes on.
        stop_string: The stop string that ended it; empty where none did.
    """

    text: str
    new_tokens: int = 0
    cause: StopCause | None = None
    stop_string: str = ""


class _TextBuilder:
    """Turns the tokens of one generation into the text that the client gets."""

    def __init__(self, request: TextRequest, tokenizer: Tokenizer) -> None:
        self._decoder = StreamDecoder(tokenizer)
        self._stops = StopStrings(request.stops)
        self._indent = IndentRule(request.min_indent)
        self._max_predict_ms = request.max_predict_ms
        hold = request.generation.hold
        self._held = hold.text if hold else ""
        self._held_tokens = len(hold.typed_ids) if hold else 0
        self._first_s: float | None = None
        self._has_line_end = False

    def add(self, delta: TokenDelta) -> TextDelta:
        """Add what the engine sent.

        Raises:
            GenerationError: The engine aborted the generation.
        """
        if delta.finish_reason is FinishReason.ABORT:
            raise GenerationError(
                "the engine broke the generation off",
                subject="request",
                remedy="send it again",
            )
        text = self._decoder.feed(delta.token_ids)
        if delta.finish_reason is not None:
            text += self._decoder.finish()
        text = self._indent.feed(self._stops.feed(self._after_held(text)))
        cause = self._cause(text, delta.finish_reason)
        if cause in {StopCause.MODEL, StopCause.LENGTH, StopCause.TIME}:
            text += self._rest()
        return TextDelta(
            text=text,
            new_tokens=self._count(len(delta.token_ids)),
            cause=StopCause.INDENT if self._indent.cut else cause,
            stop_string=self._stops.found,
        )

    def _after_held(self, text: str) -> str:
        """Return the text without what the client has typed itself."""
        if not self._held:
            return text
        shared = min(len(text), len(self._held))
        self._held = self._held[shared:]
        return text[shared:]

    def _rest(self) -> str:
        """Return, at the end, what might have become a stop string and did not."""
        text = self._indent.feed(self._stops.finish())
        return text if self._indent.cut else text + self._indent.finish()

    def _count(self, tokens: int) -> int:
        """Return how many tokens are new; those of the held text are not."""
        of_hold = min(tokens, self._held_tokens)
        self._held_tokens -= of_hold
        return tokens - of_hold

    def _cause(self, text: str, finish_reason: FinishReason | None) -> StopCause | None:
        if self._indent.cut:
            return StopCause.INDENT
        if self._stops.found:
            return StopCause.STOP_STRING
        match finish_reason:
            case FinishReason.LENGTH:
                return StopCause.LENGTH
            case FinishReason.STOP:
                return StopCause.MODEL
        return StopCause.TIME if self._is_out_of_time(text) else None

    def _is_out_of_time(self, text: str) -> bool:
        if not self._max_predict_ms:
            return False
        now_s = asyncio.get_running_loop().time()
        if self._first_s is None:
            self._first_s = now_s
        self._has_line_end |= "\n" in text
        elapsed_ms = (now_s - self._first_s) * 1e3
        return self._has_line_end and elapsed_ms > self._max_predict_ms


async def stream_text(
    request: TextRequest,
    *,
    engine: Engine,
    tokenizer: Tokenizer,
    privacy: Privacy,
    trace: RequestTrace,
) -> AsyncGenerator[TextDelta]:
    """Generate a text, one delta after the other; the last one has a cause.

    It ends before what privacy keeps from clients. Closing the generator aborts the
    generation in the engine.

    Args:
        request: The text to generate.
        engine: Generates.
        tokenizer: The model's tokenizer.
        privacy: Says what no text may hold.
        trace: Records the times.

    Raises:
        EngineError: The engine failed, or refused the request.
    """
    builder = _TextBuilder(request, tokenizer)
    check = await privacy.stream_check(before=request.before, after=request.after)
    async with aclosing(engine.generate(request.generation)) as deltas:
        async for delta in deltas:
            trace.delta_came(delta)
            made = _checked(builder.add(delta), check)
            if made.text or made.new_tokens or made.cause is not None:
                yield made
            if check.fault is not None:
                dropped = reasons.dropped_by(check.fault.value)
                log_reason(request.generation.request_id, dropped)
            if made.cause is not None:
                return


def _checked(made: TextDelta, check: StreamCheck) -> TextDelta:
    """Return of a delta what is let through, with what was held back before."""
    text = check.feed(made.text)
    if made.cause is not None:
        text += check.finish()
    if check.fault is not None:
        return replace(made, text=text, cause=StopCause.PRIVACY, stop_string="")
    return replace(made, text=text)


async def merged(
    streams: Sequence[AsyncGenerator[TextDelta]], *, most: int
) -> AsyncGenerator[tuple[int, TextDelta]]:
    """Yield the deltas of several streams as they come, each with its stream's number.

    The streams run side by side. Closing the generator closes all of them, and so does
    the failure of one.

    Args:
        streams: What is merged.
        most: How many run at a time; the next begins when one of them has ended.

    Raises:
        MidfillError: What one of the streams raised.
    """
    came: asyncio.Queue[tuple[int, TextDelta] | Exception | None]
    came = asyncio.Queue(_QUEUED_DELTAS)
    places = asyncio.Semaphore(most)

    async def pump(number: int, stream: AsyncGenerator[TextDelta]) -> None:
        try:
            async with aclosing(stream), places:
                async for delta in stream:
                    await came.put((number, delta))
        except Exception as error:  # noqa: BLE001  raised again by the reader, below
            await came.put(error)
        else:
            await came.put(None)

    tasks = [
        asyncio.create_task(pump(number, stream), name="text-stream")
        for number, stream in enumerate(streams)
    ]
    try:
        left = len(tasks)
        while left:
            item = await came.get()
            if isinstance(item, Exception):
                raise item
            if item is None:
                left -= 1
            else:
                yield item
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
