"""Connections are shared fairly, and whoever says nothing gives way."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass, field

import pytest
from fault_backends import EchoBackend, FixedConfigurator
from remote_editor import SocketEditor

from lsp_server.access.gate import Gate
from lsp_server.access.key_ring import KeyRing
from lsp_server.daemon.listen_lsp import LspListener
from lsp_server.daemon.places import Places, WaitingRoom
from lsp_server.errors import OverloadedError


@dataclass(eq=False)
class Guest:
    """A connection, for the books alone."""

    is_introduced: bool = True
    heard_s: float = 0.0
    messages: list[str] = field(default_factory=list)

    def dismiss(self, message: str) -> None:
        self.messages.append(message)


@pytest.mark.parametrize(
    ("here", "newcomer", "leaves"),
    [
        ("aaaa", "b", 0),
        ("aaab", "b", 0),
        ("baaa", "c", 1),
        ("aabb", "a", None),
        ("aabb", "b", None),
        ("aabb", "c", 0),
        ("abcd", "e", None),
        ("aaaa", "a", None),
    ],
)
def test_keys_share_the_places_fairly(
    here: str, newcomer: str, leaves: int | None
) -> None:
    """Who would have fewer than another gets one of the other's, and nobody else."""
    places = Places(len(here))
    guests = [Guest(heard_s=number) for number in range(len(here))]
    with ExitStack() as stack:
        for owner, guest in zip(here, guests, strict=True):
            stack.enter_context(places.take(owner, guest))
        if leaves is None:
            with pytest.raises(OverloadedError, match="places for editors are taken"):
                stack.enter_context(places.take(newcomer, Guest()))
        else:
            stack.enter_context(places.take(newcomer, Guest()))
    left = [number for number, guest in enumerate(guests) if guest.messages]
    assert ([] if leaves is None else [leaves]) == left


def test_the_one_that_was_silent_for_longest_loses_its_place() -> None:
    """But first one that never introduced itself; it hears why."""
    old, new = Guest(heard_s=2.0), Guest(heard_s=3.0)
    mute = Guest(is_introduced=False, heard_s=9.0)
    places = Places(3)
    with ExitStack() as stack:
        for guest in (new, old, mute):
            stack.enter_context(places.take("a", guest))
        stack.enter_context(places.take("b", Guest()))
        assert [0, 0, 1] == [len(each.messages) for each in (new, old, mute)]
        with pytest.raises(OverloadedError):
            stack.enter_context(places.take("a", Guest()))
        places = Places(2)
        for guest in (new, old):
            stack.enter_context(places.take("a", guest))
        stack.enter_context(places.take("b", Guest()))
    assert ([], 1) == (new.messages, len(old.messages))
    assert "2 of them were yours" in old.messages[0]


def test_a_place_is_free_when_its_editor_has_gone() -> None:
    """However it went."""
    places = Places(1)
    for _ in range(3):
        with places.take("a", Guest()):
            pass


async def test_the_oldest_of_those_that_wait_gives_way() -> None:
    """The others stay, and so does the newest."""
    room, ended = WaitingRoom(2, limit_s=600), list[int]()

    async def wait(number: int) -> None:
        try:
            async with room.stay():
                await asyncio.Event().wait()
        except TimeoutError:
            ended.append(number)

    waiting = [asyncio.create_task(wait(number)) for number in range(4)]
    await asyncio.wait(waiting[:2])
    assert [0, 1] == ended
    for task in waiting:
        task.cancel()
    await asyncio.wait(waiting)


@asynccontextmanager
async def listening(introduction_s: float) -> AsyncGenerator[int]:
    """Listen for two editors, and yield the port."""
    gate = Gate(KeyRing.load(None, {}), is_local=True)
    made = LspListener(
        gate,
        lambda _visitor: FixedConfigurator(EchoBackend),
        max_connections=2,
        introduction_s=introduction_s,
    )
    server = await asyncio.start_server(made.serve_stream, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    await made.close()
    server.close()


async def test_silent_clients_give_way_to_an_editor() -> None:
    """The oldest one first."""
    async with AsyncExitStack() as stack:
        port = await stack.enter_async_context(listening(600))
        silent = []
        for _ in range(5):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            stack.callback(writer.close)
            silent.append(reader)
        assert [b"", b"", b""] == [await reader.read() for reader in silent[:3]]
        editor = SocketEditor(*await asyncio.open_connection("127.0.0.1", port))
        await editor.initialize()
        editor.open("x")
        assert 1 == len(await editor.complete())
        editor.hang_up()
        await asyncio.wait({editor.reading})


async def test_who_is_let_in_and_sends_no_initialize_loses_the_place() -> None:
    """Also with a message that was begun."""
    async with listening(introduction_s=0) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"Content-Length: 100\r\n")
        assert b"" == await reader.read()
        writer.close()
