"""Streams of text: whole characters, stop strings, limits, and an abort when left."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

import pytest

from lsp_server.config import PrivacyConfig
from lsp_server.engine.scripted import Script, ScriptedEngine
from lsp_server.errors import EngineDeadError, GenerationError
from lsp_server.prompt.tokenizer import FastTokenizer
from lsp_server.service.privacy import Privacy
from lsp_server.service.text_completion import (
    StopCause,
    TextDelta,
    TextRequest,
    merged,
    stream_text,
)
from lsp_server.telemetry import RequestTrace
from lsp_server.values import GenerationRequest, Hold, HoldStep


class Texts:
    """Streams texts of a scripted engine."""

    def __init__(
        self,
        tokenizer: FastTokenizer,
        text: str,
        *,
        token_delay_ms: int = 0,
        die_after_requests: int = 0,
    ) -> None:
        self.tokenizer = tokenizer
        self.started = 0
        self.engine = ScriptedEngine(
            Script(
                answer_ids=tokenizer.encode(text),
                token_delay_ms=token_delay_ms,
                die_after_requests=die_after_requests,
            )
        )

    def stream(
        self, *, max_tokens: int = 1000, hold: Hold | None = None, **options: object
    ) -> AsyncGenerator[TextDelta]:
        """Start a stream."""
        request_id = f"r{self.started}"
        self.started += 1
        request = TextRequest(
            generation=GenerationRequest(
                request_id=request_id,
                token_ids=(5,),
                max_tokens=max_tokens,
                hold=hold,
            ),
            **options,  # type: ignore[arg-type]  # each test names real fields
        )
        return stream_text(
            request,
            engine=self.engine,
            tokenizer=self.tokenizer,
            privacy=Privacy(PrivacyConfig()),
            trace=RequestTrace(),
        )


async def collect(stream: AsyncGenerator[TextDelta]) -> list[TextDelta]:
    """Return every delta of a stream."""
    async with aclosing(stream):
        return [delta async for delta in stream]


def text_of(deltas: Sequence[TextDelta]) -> str:
    """Join the text of deltas."""
    return "".join(delta.text for delta in deltas)


async def test_characters_are_whole(tokenizer: FastTokenizer) -> None:
    """No delta ends within a character, though tokens do."""
    text = "x = '\U0001f9ea\u2603\u00e9\u4e2d'\n"
    texts = Texts(tokenizer, text)
    deltas = await collect(texts.stream())
    assert len(text) < len(tokenizer.encode(text))
    assert text == text_of(deltas)
    assert not any("\ufffd" in delta.text for delta in deltas)
    assert StopCause.MODEL is deltas[-1].cause
    assert len(tokenizer.encode(text)) == sum(delta.new_tokens for delta in deltas)


async def test_a_stop_string_over_tokens_is_cut_and_aborts(
    tokenizer: FastTokenizer,
) -> None:
    """The text ends before the stop string, and the engine ends as well."""
    texts = Texts(tokenizer, "first\nsecond\n\nthird = 3\n")
    deltas = await collect(texts.stream(stops=("nothing", "ond\n\nthi")))
    assert "first\nsec" == text_of(deltas)
    assert (StopCause.STOP_STRING, "ond\n\nthi") == (
        deltas[-1].cause,
        deltas[-1].stop_string,
    )
    assert ("r0",) == texts.engine.aborted


async def test_what_only_looked_like_a_stop_string_is_sent(
    tokenizer: FastTokenizer,
) -> None:
    """Held-back text comes at the end, and with the length limit as well."""
    texts = Texts(tokenizer, "value = 1")
    assert "value = 1" == text_of(await collect(texts.stream(stops=("= 12",))))
    limited = await collect(texts.stream(stops=("= 12",), max_tokens=2))
    assert StopCause.LENGTH is limited[-1].cause
    assert "value =" == text_of(limited)


async def test_the_held_text_is_not_sent(tokenizer: FastTokenizer) -> None:
    """What the client has typed is generated again, and neither sent nor counted."""
    typed = tokenizer.encode(" tot")
    hold = Hold(text=" tot", typed_ids=typed, steps=(HoldStep(finishing=b"\xff"),))
    deltas = await collect(Texts(tokenizer, "al\n").stream(hold=hold))
    assert "al\n" == text_of(deltas)
    assert len(tokenizer.encode("al\n")) == sum(each.new_tokens for each in deltas)


async def test_indent_and_time_end_the_text(tokenizer: FastTokenizer) -> None:
    """Both are llama.cpp's; time counts only once a line is complete."""
    texts = Texts(tokenizer, "a = 1\n    b = 2\nc = 3\n", token_delay_ms=2)
    indented = await collect(texts.stream(min_indent=4))
    assert "a = 1\n    b = 2\n" == text_of(indented)
    assert StopCause.INDENT is indented[-1].cause
    timed = await collect(texts.stream(max_predict_ms=1))
    assert StopCause.TIME is timed[-1].cause
    assert text_of(timed).startswith("a = 1\n")
    assert len(text_of(timed)) < len("a = 1\n    b = 2\nc = 3\n")


async def test_a_secret_ends_the_text_and_the_generation(
    tokenizer: FastTokenizer,
) -> None:
    """The client gets what stands before it; what it wrote itself is no secret."""
    key = "AKIA" + "Q7X3" * 4
    texts = Texts(tokenizer, f"a = 1\nkey = '{key}'\nb = 2\nc = 3\n")
    deltas = await collect(texts.stream(before="x = 0\n"))
    assert "a = 1\nkey = '" == text_of(deltas)
    assert StopCause.PRIVACY is deltas[-1].cause
    assert ("r0",) == texts.engine.aborted
    known = await collect(texts.stream(before=f"key = '{key}'\n"))
    assert f"a = 1\nkey = '{key}'\nb = 2\nc = 3\n" == text_of(known)


async def test_streams_are_merged_and_aborted_together(
    tokenizer: FastTokenizer,
) -> None:
    """Leaving the merged stream aborts every generation in the engine."""
    texts = Texts(tokenizer, "a b c d e f", token_delay_ms=1)
    whole = ["", ""]
    async with aclosing(merged([texts.stream(), texts.stream()], most=2)) as deltas:
        async for number, delta in deltas:
            whole[number] += delta.text
    assert ["a b c d e f"] * 2 == whole
    async with aclosing(merged([texts.stream(), texts.stream()], most=2)) as deltas:
        async for _ in deltas:
            if len(texts.engine.requests) == 4:
                break
    assert 2 == len(texts.engine.aborted)


async def test_no_more_streams_run_than_may(tokenizer: FastTokenizer) -> None:
    """The next one begins when another has ended, and all of them come."""
    texts = Texts(tokenizer, "a b c d e f")
    running, counts = 0, []

    async def counted(stream: AsyncGenerator[TextDelta]) -> AsyncGenerator[TextDelta]:
        nonlocal running
        running += 1
        counts.append(running)
        async with aclosing(stream):
            async for delta in stream:
                yield delta
        running -= 1

    streams = [counted(texts.stream()) for _ in range(5)]
    async with aclosing(merged(streams, most=2)) as deltas:
        causes = [delta.cause async for _, delta in deltas]
    assert (5, 2) == (len(counts), max(counts))
    assert 5 == len([cause for cause in causes if cause is not None])


async def test_failures_reach_the_reader(tokenizer: FastTokenizer) -> None:
    """A dead engine and an aborted generation are errors, not ends of the text."""
    dying = Texts(tokenizer, "a b c d e f", die_after_requests=1)
    both = [dying.stream(), dying.stream()]
    with pytest.raises(EngineDeadError):
        _ = [each async for each in merged(both, most=2)]
    texts = Texts(tokenizer, "a b c d e f", token_delay_ms=1)
    async with aclosing(texts.stream()) as stream:
        await anext(stream)
        await texts.engine.abort("r0")
        with pytest.raises(GenerationError, match="broke"):
            await anext(stream)
