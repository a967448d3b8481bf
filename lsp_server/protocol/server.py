"""The language server's process: one editor on stdin and stdout, until it ends."""

import asyncio
import logging
import os
import signal
from functools import partial
from typing import NoReturn

from lsp_server.history.store import EventStore
from lsp_server.protocol import watchdog
from lsp_server.protocol.channel import Channel, StdioChannel
from lsp_server.protocol.connection import EditorConnection
from lsp_server.protocol.pipes import claim_stdio
from lsp_server.protocol.suggestion_feedback import SuggestionFeedback
from lsp_server.service.backend import Configurator

__all__ = ["run_stdio"]

# Editors kill what is still there two seconds after `exit`.
_END_DEADLINE_S = 1.5
_STORE_DEADLINE_S = 0.5
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def run_stdio(
    configurator: Configurator, ahead: bytes = b"", *, store: EventStore | None = None
) -> NoReturn:
    """Serve the editor behind stdin and stdout, and end the process.

    Call it before anything that may print is imported: it takes descriptors 0 and 1
    for the protocol. A signal ends it in order. What does not end in time is killed,
    with its children.

    Args:
        configurator: Makes the backend and takes changed settings.
        ahead: What was read from the editor before.
        store: The user's record of requests and suggestions; None keeps none.
    """
    stdio = claim_stdio()
    channel = StdioChannel(stdio, ahead=ahead)
    asyncio.run(_serve_and_leave(channel, configurator, store))
    raise AssertionError("the process has ended")


async def _serve_and_leave(
    channel: Channel, configurator: Configurator, store: EventStore | None
) -> NoReturn:
    """Serve one editor, and end the process with its exit status."""
    connection = EditorConnection(
        configurator, channel, feedback=SuggestionFeedback(store=store)
    )
    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        loop.add_signal_handler(number, connection.end, number.name)
    exit_code = await connection.serve(
        on_end=partial(watchdog.arm, deadline_s=_END_DEADLINE_S)
    )
    if store is not None:
        await asyncio.to_thread(store.close, timeout_s=_STORE_DEADLINE_S)
    # Not by way of the interpreter's own end, which waits for threads: an import in
    # one of them takes seconds.
    logging.shutdown()
    os._exit(exit_code)
