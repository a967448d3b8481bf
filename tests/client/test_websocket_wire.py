"""The attached server's websocket, in front of the library's own server side."""

import socket
from collections.abc import Iterator
from typing import NoReturn

import pytest
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

from lsp_server.client import websocket_wire
from lsp_server.client.daemon_link import Attempt
from lsp_server.client.team_dialling import TeamDialling
from lsp_server.client.team_server import TeamSettings
from lsp_server.client.websocket_wire import MAX_BODY_BYTES, WebsocketWire
from lsp_server.errors import DaemonError


class Clock:
    """A clock that stands until it is set."""

    now_s = 100.0

    def monotonic(self) -> float:
        return self.now_s


class FarSide:
    """The server's end of a socket."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.protocol = ServerProtocol()

    def said(self) -> list[Frame]:
        """Return the frames that have come."""
        self.protocol.receive_data(self.connection.recv(1 << 20))
        return [e for e in self.protocol.events_received() if isinstance(e, Frame)]

    def say(self) -> None:
        """Send what the protocol has to be sent."""
        for data in self.protocol.data_to_send():
            self.connection.sendall(data)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The wire's clock."""
    made = Clock()
    monkeypatch.setattr(websocket_wire, "time", made)
    return made


@pytest.fixture
def sides(clock: Clock) -> Iterator[tuple[WebsocketWire, FarSide]]:
    """Both ends of an open websocket."""
    near, far = socket.socketpair()
    client, server = ClientProtocol(parse_uri("ws://localhost/lsp")), FarSide(far)
    client.send_request(client.connect())
    server.protocol.receive_data(b"".join(client.data_to_send()))
    [request] = server.protocol.events_received()
    server.protocol.send_response(server.protocol.accept(request))  # type: ignore[arg-type]  # the first event is the request
    client.receive_data(b"".join(server.protocol.data_to_send()))
    client.events_received()
    wire = WebsocketWire(near, client, subject="the server")
    yield wire, server
    wire.close()
    far.close()
    assert clock.now_s >= 100


def test_a_message_in_parts_is_one(sides: tuple[WebsocketWire, FarSide]) -> None:
    """A question for a sign of life between the parts is answered."""
    wire, server = sides
    server.protocol.send_text(b'{"a', fin=False)
    server.protocol.send_ping(b"?")
    server.say()
    assert [] == wire.receive()
    wire.flush()
    assert [(Opcode.PONG, b"?")] == [(f.opcode, f.data) for f in server.said()]
    server.protocol.send_continuation(b'":1}', fin=True)
    server.protocol.send_text(b"{}")
    server.say()
    assert [b'{"a":1}', b"{}"] == wire.receive()
    assert wire.greeted


def test_a_server_that_says_nothing_any_more_is_lost(
    sides: tuple[WebsocketWire, FarSide], clock: Clock
) -> None:
    """After ten seconds it is asked, and after twenty it has gone."""
    wire, server = sides
    server.protocol.send_text(b"{}")
    server.say()
    wire.receive()
    for _ in range(2):
        clock.now_s += 10
        assert 0 == wire.due_s()
        wire.tick()
        wire.flush()
        assert [Opcode.PING] == [frame.opcode for frame in server.said()]
        assert 10 == wire.due_s()
        # It lives.
        server.say()
        assert [] == wire.receive()
    clock.now_s += 20
    wire.tick()
    assert wire.receive() is None


def test_a_server_that_never_says_anything_is_an_error(
    sides: tuple[WebsocketWire, FarSide], clock: Clock
) -> None:
    """It may be something else than Midfill."""
    wire, _ = sides
    clock.now_s += 10
    with pytest.raises(DaemonError, match="does not answer"):
        wire.tick()


@pytest.mark.parametrize("code", [1000, 1001, 1009, 1011])
def test_a_server_that_ends_is_lost(
    sides: tuple[WebsocketWire, FarSide], code: int
) -> None:
    """Whatever its reason is; nothing that is sent afterwards is an error."""
    wire, server = sides
    server.protocol.send_close(code)
    server.say()
    assert wire.receive() is None
    wire.send(b"{}")
    wire.half_close()


def test_a_message_that_the_server_would_not_take_is_left_out(
    sides: tuple[WebsocketWire, FarSide],
) -> None:
    """It would end the connection, and the next one, for the document is sent again."""
    wire, _ = sides
    wire.send(b"x" * (MAX_BODY_BYTES + 1))
    assert 0 == wire.waiting_bytes
    wire.send(b"x" * MAX_BODY_BYTES)
    assert MAX_BODY_BYTES <= wire.waiting_bytes


def test_a_server_that_was_never_there_is_given_up() -> None:
    """The error names it, and the reason."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    settings = TeamSettings(url=f"ws://127.0.0.1:{port}")
    attempt = TeamDialling(settings, gives_up_after_s=0).start()
    with pytest.raises(DaemonError, match=f"{port}: it cannot be reached .*refused"):
        look_on(attempt)


def look_on(attempt: Attempt) -> NoReturn:
    """Look until that is an error."""
    while True:
        assert attempt.look() is None
