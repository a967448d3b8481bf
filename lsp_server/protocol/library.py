"""pygls and its converter, set up once for the process."""

import logging

from cattrs import Converter
from lsprotocol import types
from pygls.protocol import default_converter

from lsp_server.protocol.channel import Channel

__all__ = ["ChannelWriter", "new_converter", "silence_pygls", "warm_converter"]

_FIRST = types.InitializeParams(capabilities=types.ClientCapabilities())


def new_converter() -> Converter:
    """Return a converter of LSP's values."""
    made: Converter = default_converter()  # type: ignore[no-untyped-call]  # pygls'
    return made


def warm_converter() -> Converter:
    """Return a converter that can read ``initialize`` at once.

    A new one spends tens of milliseconds on each connection's first message: cattrs
    writes and compiles a function for each class that it comes across.
    """
    converter = new_converter()
    request = types.InitializeRequest(id=1, params=_FIRST)
    values = converter.unstructure(request)
    converter.structure(values, types.InitializeRequest)
    result = types.InitializeResult(capabilities=types.ServerCapabilities())
    converter.unstructure(types.InitializeResponse(id=1, result=result))
    return converter


def silence_pygls() -> None:
    """Stop pygls from logging: it logs whole messages, which hold the user's code."""
    logging.getLogger("pygls").setLevel(logging.CRITICAL)


class ChannelWriter:
    """What pygls writes messages to, one a call."""

    def __init__(self, channel: Channel) -> None:
        """Write to this channel."""
        self._channel = channel

    def write(self, data: bytes) -> None:
        """Write one message."""
        self._channel.write(data)

    def close(self) -> None:
        """Leave the channel open; its owner closes it."""
