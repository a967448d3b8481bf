"""Requests to Midfill on Ray, and the processes that answer them."""

import asyncio
import contextlib
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import httpx
import psutil

PROMPT = "def double(value):\n    return "
LIMIT_S = 240.0
"""Far more than anything takes, where others keep the machine busy as well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of a streamed request.

    Attributes:
        status: The HTTP status; 0 where the connection broke.
        text: The text that came.
        reason: Why it ended; empty for a stream that broke off.
        error: The message of an error.
    """

    status: int
    text: str = ""
    reason: str = ""
    error: str = ""

    @property
    def whole(self) -> bool:
        """Whether the answer came to its end."""
        return self.status == 200 and bool(self.reason)


@dataclass(slots=True)
class Stream:
    """A request whose text comes piece by piece, as a test can watch it.

    Attributes:
        pieces: What has come so far.
        begun: Set by the first piece, or by the end if there is none.
    """

    pieces: list[str] = field(default_factory=list)
    begun: asyncio.Event = field(default_factory=asyncio.Event)


async def ask(
    client: httpx.AsyncClient,
    document: str,
    *,
    tokens: int = 16,
    key: str = "",
    stream: Stream | None = None,
) -> Answer:
    """Send one streamed request for a document, and read the answer to its end."""
    watched = stream or Stream()
    body = {"prompt": PROMPT, "max_tokens": tokens, "stream": True, "temperature": 0}
    headers = {"x-session-id": document}
    if key:
        headers["authorization"] = f"Bearer {key}"
    reason = error = ""
    try:
        async with client.stream(
            "POST", "/v1/completions", json=body, headers=headers, timeout=LIMIT_S
        ) as response:
            if response.status_code != 200:
                content = await response.aread()
                return Answer(status=response.status_code, error=content.decode())
            async for line in response.aiter_lines():
                if not line.startswith("data: {"):
                    continue
                event = json.loads(line.removeprefix("data: "))
                if "error" in event:
                    error = event["error"]["message"]
                    continue
                choice = event["choices"][0]
                watched.pieces.append(choice["text"])
                watched.begun.set()
                reason = choice["finish_reason"] or reason
    except httpx.TransportError as broken:
        return Answer(status=0, text="".join(watched.pieces), error=repr(broken))
    finally:
        watched.begun.set()
    return Answer(
        status=response.status_code,
        text="".join(watched.pieces),
        reason=reason,
        error=error,
    )


class Load:
    """Typists who ask all the time, until `end`.

    Attributes:
        answers: Every answer so far.
    """

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self._ends = False

    async def type(self, client: httpx.AsyncClient, document: str, tokens: int) -> None:
        """Ask for one document, again and again."""
        while not self._ends:
            self.answers.append(await ask(client, document, tokens=tokens))

    def end(self) -> None:
        """Let each typist's request be the last."""
        self._ends = True

    @property
    def failed(self) -> Counter[tuple[int, str]]:
        """The answers that were none."""
        return Counter(
            (each.status, each.error) for each in self.answers if not each.whole
        )


@contextlib.asynccontextmanager
async def typing(url: str, *, typists: int, tokens: int = 16) -> AsyncIterator[Load]:
    """Have typists ask within the block; at its end every request has its answer."""
    load = Load()
    limits = httpx.Limits(max_connections=None)
    async with (
        httpx.AsyncClient(base_url=url, limits=limits) as client,
        asyncio.TaskGroup() as group,
    ):
        for number in range(typists):
            group.create_task(load.type(client, f"file:///{number}.py", tokens))
        try:
            yield load
        finally:
            load.end()


def replicas(deployment: str) -> list[psutil.Process]:
    """Return the processes of a deployment's replicas, below this process."""
    title = f"ray::ServeReplica:midfill:{deployment}"
    found = []
    for each in psutil.Process().children(recursive=True):
        # One may end meanwhile.
        with contextlib.suppress(psutil.Error):
            if each.cmdline()[:1] and each.cmdline()[0].startswith(title):
                found.append(each)
    return found


def has_ended(process: psutil.Process) -> bool:
    """Return whether a process has ended, even if nobody has asked how."""
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def wait_until(holds: Callable[[], object]) -> None:
    """Wait until something holds."""
    ends_s = time.monotonic() + LIMIT_S
    while not holds():
        assert time.monotonic() < ends_s, f"not within {LIMIT_S} s"
        time.sleep(0.1)


async def until(holds: Callable[[], object]) -> None:
    """Wait until something holds, while requests of this loop go on."""
    ends_s = time.monotonic() + LIMIT_S
    while not await asyncio.to_thread(holds):
        assert time.monotonic() < ends_s, f"not within {LIMIT_S} s"
        await asyncio.sleep(0.1)
