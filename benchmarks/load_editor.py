"""The editor of a simulated typist: little more than the messages of LSP.

It takes less of the processor than the product's own client would, which matters where
hundreds of them share a machine with the server.
"""

import asyncio
import contextlib
import itertools
import json
from collections.abc import Mapping
from typing import Any

from benchmarks.load_clients import Reply
from benchmarks.typist import Edit, Typist
from lsp_server.daemon.hello import Hello, Origin, Purpose

__all__ = ["Editor"]

_METHOD = "textDocument/inlineCompletion"
_SUPERSEDED = {-32801, -32800}
"""LSP's error codes of a document that has changed, and of a request cancelled."""


class Editor:
    """An editor on the daemon, or on a team server that asks for no key.

    Args:
        server: The daemon's socket, or a team server's ``HOST:PORT``.
        environment: Holds the settings, as ``MIDFILL_*``.
        cancels: Whether it cancels what it does not want any more.
    """

    def __init__(
        self, server: str, environment: Mapping[str, str], *, cancels: bool
    ) -> None:
        """Connect with ``open``."""
        self._server = server
        self._environment = environment
        self._cancels = cancels
        self._ids = itertools.count(1)
        self._version = 0
        self._replies: dict[object, asyncio.Future[dict[str, Any]]] = {}
        self._timings: dict[object, dict[str, int]] = {}

    async def open(self, typist: Typist) -> None:
        """Connect, introduce the editor, and open the document."""
        reader, self._writer = await self._connected()
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

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect; the daemon is told who comes."""
        if not self._server.startswith("/"):
            host, _, port = self._server.rpartition(":")
            return await asyncio.open_connection(host, int(port))
        reader, writer = await asyncio.open_unix_connection(self._server)
        origin = Origin.of_process(self._environment)
        writer.write(Hello(purpose=Purpose.EDITOR, origin=origin).line())
        answer = json.loads(await reader.readline())
        if answer["refusal"]:
            raise ConnectionError(answer["refusal"])
        return reader, writer

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
        asked_version = self._version
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
        error_code = message.get("error", {}).get("code")
        if items:
            outcome = "answered"
        elif error_code in {None, *_SUPERSEDED} and self._version > asked_version:
            outcome = "superseded"
        else:
            outcome = "empty" if error_code is None else "error"
        return Reply(
            outcome=outcome,
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
        """Read what the server sends, until it ends."""
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


def _position(place: tuple[int, int]) -> dict[str, int]:
    return {"line": place[0], "character": place[1]}
