"""Typists at work: each has an editor on the daemon, or asks the REST API.

A request that is not answered when the next burst ends is superseded: every second
editor cancels it, as VS Code does, and the others leave that to the server, as Neovim
does; a REST client hangs up.
"""

import asyncio
import contextlib
import itertools
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import httpx

from benchmarks.typist import Edit, Typist
from lsp_server.daemon.hello import Hello, Origin, Purpose

__all__ = ["Editor", "Record", "RestClient", "TypistClient", "type_for"]

_METHOD = "textDocument/inlineCompletion"
_LINES_BEFORE, _STEP_LINES, _LINES_AFTER = 128, 32, 40


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
        # The keys of a burst fill its pause; the request follows the last one.
        for edit in burst.edits:
            await asyncio.sleep(burst.pause_s / len(burst.edits))
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


class Editor:
    """An editor on the daemon.

    Args:
        socket: The daemon's.
        environment: Holds the settings, as ``MIDFILL_*``.
        cancels: Whether it cancels what it does not want any more.
    """

    def __init__(
        self, socket: Path, environment: Mapping[str, str], *, cancels: bool
    ) -> None:
        """Connect with ``open``."""
        self._socket = socket
        self._environment = environment
        self._cancels = cancels
        self._ids = itertools.count(1)
        self._version = 0
        self._replies: dict[object, asyncio.Future[dict[str, Any]]] = {}
        self._timings: dict[object, dict[str, int]] = {}

    async def open(self, typist: Typist) -> None:
        """Connect, introduce the editor, and open the document."""
        reader, self._writer = await asyncio.open_unix_connection(self._socket)
        origin = Origin.of_process(self._environment)
        self._writer.write(Hello(purpose=Purpose.EDITOR, origin=origin).line())
        answer = json.loads(await reader.readline())
        if answer["refusal"]:
            raise ConnectionError(answer["refusal"])
        self._reading = asyncio.create_task(self._read(reader))
        capabilities = {
            "textDocument": {"inlineCompletion": {}},
            "experimental": {"midfill": {"timings": True}},
        }
        _, reply = self._request(
            "initialize", {"capabilities": capabilities, "processId": None}
        )
        await reply
        self._send(method="initialized", params={})
        item = {"uri": typist.uri, "languageId": "python", "version": 0}
        self._send(
            method="textDocument/didOpen",
            params={"textDocument": {**item, "text": typist.text}},
        )

    def edit(self, typist: Typist, edit: Edit) -> None:
        """Send ``didChange``."""
        self._version += 1
        document = {"uri": typist.uri, "version": self._version}
        place = {"start": _position(edit.start), "end": _position(edit.end)}
        change = {"range": place, "text": edit.text}
        self._send(
            method="textDocument/didChange",
            params={"textDocument": document, "contentChanges": [change]},
        )

    async def ask(self, typist: Typist) -> Reply:
        """Send ``inlineCompletion``, as an editor does by itself."""
        request_id, replied = self._request(
            _METHOD,
            {
                "textDocument": {"uri": typist.uri},
                "position": _position(typist.position()),
                "context": {"triggerKind": 2},
            },
        )
        try:
            message = await replied
        except asyncio.CancelledError:
            self._replies.pop(request_id, None)
            if self._cancels:
                self._send(method="$/cancelRequest", params={"id": request_id})
            raise
        timings = self._timings.pop(request_id, {})
        items = message.get("result") or []
        outcome = "answered" if items else "empty"
        return Reply(
            outcome="error" if "error" in message else outcome,
            text=items[0]["insertText"] if items else "",
            prompt_tokens=timings.get("promptTokens", 0),
            cached_tokens=timings.get("cachedTokens", 0),
            output_tokens=timings.get("outputTokens", 0),
        )

    async def close(self) -> None:
        """Disconnect, without a word, as an editor that is killed."""
        self._writer.close()
        self._reading.cancel()
        await asyncio.wait({self._reading})

    def _request(
        self, method: str, params: object
    ) -> tuple[int, asyncio.Future[dict[str, Any]]]:
        request_id = next(self._ids)
        reply: asyncio.Future[dict[str, Any]]
        reply = asyncio.get_running_loop().create_future()
        self._replies[request_id] = reply
        self._send(id=request_id, method=method, params=params)
        return request_id, reply

    def _send(self, **message: object) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self._writer.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))

    async def _read(self, reader: asyncio.StreamReader) -> None:
        """Take what the server sends, until it ends."""
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while header := await reader.readuntil(b"\r\n\r\n"):
                length = int(header.split(b"\r\n")[0].split(b":")[1])
                self._take(json.loads(await reader.readexactly(length)))
        for reply in self._replies.values():
            if not reply.done():
                reply.set_exception(ConnectionError("the server is gone"))

    def _take(self, message: dict[str, Any]) -> None:
        if "method" not in message:
            reply = self._replies.pop(message["id"], None)
            if reply is not None and not reply.done():
                reply.set_result(message)
        elif message["method"] == "midfill/completionTimings":
            # Those of superseded requests come as well.
            if message["params"]["id"] in self._replies:
                self._timings[message["params"]["id"]] = message["params"]
        elif "id" in message:
            self._send(id=message["id"], result=None)


class RestClient:
    """A client of ``/v1/completions``.

    Args:
        url: The server's.
        key: The API key; empty for none.
        max_tokens: Most tokens of an answer.
    """

    def __init__(self, url: str, key: str, max_tokens: int) -> None:
        """Connect with the first request."""
        headers = {"authorization": f"Bearer {key}"} if key else {}
        self._http = httpx.AsyncClient(base_url=url, headers=headers, timeout=60)
        self._max_tokens = max_tokens

    async def open(self, typist: Typist) -> None:
        """Do nothing: every request holds its text."""

    def edit(self, typist: Typist, edit: Edit) -> None:
        """Do nothing, as above."""

    async def ask(self, typist: Typist) -> Reply:
        """Ask for the rest of the line."""
        before, after = _window(typist)
        answer = await self._http.post(
            "/v1/completions",
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


def _window(typist: Typist) -> tuple[str, str]:
    """Return the lines round the cursor; their first moves in steps, for the cache."""
    line, _ = typist.position()
    first = max(0, line // _STEP_LINES * _STEP_LINES - _LINES_BEFORE)
    before = typist.text[: typist.cursor].split("\n")[first:]
    after = typist.text[typist.cursor :].split("\n")[: _LINES_AFTER + 1]
    return "\n".join(before), "\n".join(after)


def _position(place: tuple[int, int]) -> dict[str, int]:
    return {"line": place[0], "character": place[1]}
