"""How a headless client introduces itself.

Source: Language Server Protocol 3.18, "Initialize Request".
"""

import os

from lsprotocol import types

from lsp_server.protocol.convert import PositionEncoding

__all__ = ["introduction"]


def introduction(encoding: PositionEncoding, options: object) -> types.InitializeParams:
    """Say what the client can: one encoding, completions, a bar, and timings.

    Args:
        encoding: What columns count; the only encoding that the server is offered.
        options: The ``initializationOptions``, as JSON.
    """
    kind = types.PositionEncodingKind(encoding.value)
    return types.InitializeParams(
        process_id=os.getpid(),
        capabilities=types.ClientCapabilities(
            general=types.GeneralClientCapabilities(position_encodings=[kind]),
            text_document=types.TextDocumentClientCapabilities(
                inline_completion=types.InlineCompletionClientCapabilities()
            ),
            window=types.WindowClientCapabilities(work_done_progress=True),
            experimental={"midfill": {"timings": True}},
        ),
        client_info=types.ClientInfo(name="midfill headless client"),
        initialization_options=options,
    )
