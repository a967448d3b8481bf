"""Typists at work, and those of them that ask the REST API.

The keys of a burst come quickly, at the end of its pause. A request that is not
answered by then is superseded: every second editor cancels it, as VS Code does, and the
others leave that to the server, as Neovim does; a REST client hangs up. What comes back
empty because a key came before it is superseded as well, not answered.
"""

import asyncio
import time
from dataclasses import dataclass
from typing import Protocol

import httpx

from benchmarks.typist import Edit, Typist

__all__ = ["Record", "Reply", "RestClient", "TypistClient", "type_for"]

_STEP_LINES = 32
_TOKENS_PER_LINE = 10
_KEY_GAP_S = 0.06
"""Between two keys of a burst, at most: 17 a second are fast for a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What became of one request.

    Attributes:
        typist: Whose it was.
        start_s: When it was sent, on the system's monotonic clock.
        total_ms: Until the reply was read.
        outcome: ``answered``, ``empty``, ``superseded``, ``busy`` or ``error``.
        prompt_tokens: Of the prompt; 0 where nobody said.
        cached_tokens: Prompt tokens that the prefix cache held.
        output_tokens: Tokens that were generated.
    """

    typist: int
    start_s: float
    total_ms: float
    outcome: str
    prompt_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer: the outcome, the suggested text, and the tokens as in `Record`."""

    outcome: str
    text: str = ""
    prompt_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0


class TypistClient(Protocol):
    """What a typist works with."""

    async def open(self, typist: Typist) -> None:
        """Connect, and open the typist's document."""
        ...

    def edit(self, typist: Typist, edit: Edit) -> None:
        """Report a change, after it was made in the typist's text."""
        ...

    async def ask(self, typist: Typist) -> Reply:
        """Ask at the cursor; cancelled when the request is superseded."""
        ...

    async def close(self) -> None:
        """Leave."""
        ...


async def type_for(
    client: TypistClient, typist: Typist, number: int, until_s: float
) -> list[Record]:
    """Let a typist work until a moment of the monotonic clock."""
    records: list[Record] = []
    pending: asyncio.Task[Reply | None] | None = None

    async def ask(start_s: float) -> Reply | None:
        try:
            reply = await client.ask(typist)
        except asyncio.CancelledError:
            reply = Reply(outcome="superseded")
        except (OSError, httpx.HTTPError, ValueError, KeyError):
            reply = Reply(outcome="error")
        records.append(
            Record(
                typist=number,
                start_s=start_s,
                total_ms=(time.perf_counter() - start_s) * 1e3,
                outcome=reply.outcome,
                prompt_tokens=reply.prompt_tokens,
                cached_tokens=reply.cached_tokens,
                output_tokens=reply.output_tokens,
            )
        )
        return reply

    accepts = False
    while time.perf_counter() < until_s:
        reply = pending.result() if accepts and pending and pending.done() else None
        if reply and reply.text:
            client.edit(typist, typist.accept(reply.text))
        burst = typist.next_burst()
        gap_s = min(_KEY_GAP_S, burst.pause_s / len(burst.edits))
        await asyncio.sleep(burst.pause_s - gap_s * len(burst.edits))
        for edit in burst.edits:
            await asyncio.sleep(gap_s)
            client.edit(typist, edit)
        if pending and not pending.done():
            pending.cancel()
        pending = asyncio.create_task(ask(time.perf_counter()))
        accepts = burst.accepts
        # So that the request goes out before anything else happens.
        await asyncio.sleep(0)
    if pending:
        await asyncio.wait({pending}, timeout=5)
        pending.cancel()
        await asyncio.wait({pending})
    return records


class RestClient:
    """A client of ``/v1/completions``.

    Args:
        url: The server's.
        key: The API key; empty for none.
        max_tokens: Most tokens of an answer.
        prompt_tokens: About as many are sent, a quarter of them from below the cursor.
    """

    def __init__(
        self, url: str, key: str, *, max_tokens: int, prompt_tokens: int
    ) -> None:
        """Connect with the first request."""
        headers = {"authorization": f"Bearer {key}"} if key else {}
        self._http = httpx.AsyncClient(base_url=url, headers=headers, timeout=60)
        self._max_tokens = max_tokens
        self._lines = prompt_tokens // _TOKENS_PER_LINE

    async def open(self, typist: Typist) -> None:
        """Do nothing: every request holds its text."""

    def edit(self, typist: Typist, edit: Edit) -> None:
        """Do nothing, as above."""

    async def ask(self, typist: Typist) -> Reply:
        """Ask for the rest of the line."""
        before, after = _window(typist, self._lines)
        answer = await self._http.post(
            "/v1/completions",
            # Of several replicas one then has the document's prompts.
            headers={"x-session-id": typist.uri},
            json={
                "model": "midfill",
                "prompt": before,
                "suffix": after,
                "max_tokens": self._max_tokens,
                "temperature": 0,
                "stop": ["\n"],
            },
        )
        if answer.status_code in {429, 503}:
            return Reply(outcome="busy")
        if answer.is_error:
            return Reply(outcome="error")
        body = answer.json()
        usage = body["usage"]
        text = body["choices"][0]["text"]
        return Reply(
            outcome="answered" if text else "empty",
            text=text,
            prompt_tokens=usage["prompt_tokens"],
            cached_tokens=usage["prompt_tokens_details"]["cached_tokens"],
            output_tokens=usage["completion_tokens"],
        )

    async def close(self) -> None:
        """Disconnect."""
        await self._http.aclose()


def _window(typist: Typist, lines: int) -> tuple[str, str]:
    """Return the lines round the cursor; their first moves in steps, for the cache."""
    line, _ = typist.position()
    below = lines // 4
    above = max(0, lines - below - _STEP_LINES // 2)
    first = max(0, line - above) // _STEP_LINES * _STEP_LINES
    before = typist.text[: typist.cursor].split("\n")[first:]
    after = typist.text[typist.cursor :].split("\n")[: below + 1]
    return "\n".join(before), "\n".join(after)
