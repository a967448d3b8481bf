"""pygls and its converter, set up once for the process."""

import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import get_type_hints

from cattrs import Converter
from cattrs.gen import make_dict_structure_fn, override
from lsprotocol import types
from pygls.protocol import default_converter

from lsp_server.protocol.channel import Channel

__all__ = ["ChannelWriter", "new_converter", "silence_pygls", "warm_converter"]

_FIRST = types.InitializeParams(capabilities=types.ClientCapabilities())

_EXACT = frozenset(
    {
        types.InlineCompletionContext,
        types.Position,
        types.SelectedCompletionInfo,
        types.TextDocumentContentChangePartial,
        types.TextDocumentContentChangeWholeDocument,
        types.TextDocumentIdentifier,
        types.TextDocumentItem,
        types.VersionedTextDocumentIdentifier,
    }
)
"""What documents and their places are made of.

In all else a field of a wrong type is read as what it looks like: an odd capability
must not cost an editor its session.
"""


def new_converter() -> Converter:
    """Return a converter of LSP's values.

    As cattrs is, it would take 1.5, "1" and true for line 1, and null for the text
    "None": the document would be another one than the editor's from then on.
    """
    made: Converter = default_converter()  # type: ignore[no-untyped-call]  # pygls'
    made.register_structure_hook_factory(
        lambda found: isinstance(found, type) and found in _EXACT,
        partial(_exact_reader, made),
    )
    made.register_structure_hook(
        types.TextDocumentContentChangePartial
        | types.TextDocumentContentChangeWholeDocument,
        lambda change, _: made.structure(change, _kind_of_change(change)),
    )
    # Some editors have no language for a file, and send null or an empty list.
    made.register_structure_hook(
        types.LanguageKind | str,
        lambda named, _: named if isinstance(named, str) else "",
    )
    return made


def _kind_of_change(change: Mapping[str, object]) -> type:
    """Return which of its two kinds a change is.

    Clients that write every field send the whole text with a range of null.
    """
    if change.get("range") is None:
        return types.TextDocumentContentChangeWholeDocument
    return types.TextDocumentContentChangePartial


def _exact_reader(
    converter: Converter, kind: type
) -> Callable[[Mapping[str, object], type], object]:
    """Return what reads a class whose numbers and texts have to be such in JSON."""
    fields = {
        name: override(
            rename=_in_camel_case(name), struct_hook=_exact if _is_plain(held) else None
        )
        for name, held in get_type_hints(kind).items()
    }
    return make_dict_structure_fn(kind, converter, **fields)  # type: ignore[arg-type]  # mypy takes the fields for the options, whose names begin with _cattrs_


def _is_plain(held: object) -> bool:
    """Return whether a field's type is a number, one of some numbers, or a text."""
    return isinstance(held, type) and issubclass(held, int | str)


def _exact(value: object, kind: Callable[[object], object]) -> object:
    """Return a field's value.

    Raises:
        TypeError: JSON has another type there; true is no number.
    """
    expected = int if isinstance(kind, type) and issubclass(kind, int) else str
    if type(value) is not expected:
        raise TypeError(expected.__name__)
    return kind(value)


def _in_camel_case(name: str) -> str:
    """Turn a field's name into LSP's."""
    first, *rest = name.split("_")
    return "".join([first, *(word.capitalize() for word in rest)])


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
