"""A server that answers with the language that the editor gave for the document."""

import sys

from fault_backends import EchoBackend, FixedConfigurator, completion

from lsp_server.outcomes import Completion
from lsp_server.protocol.server import run_stdio
from lsp_server.values import Snapshot


class LanguageBackend(EchoBackend):
    """Completes with the document's language id."""

    async def answer(self, snapshot: Snapshot) -> tuple[Completion, ...]:
        return (completion(snapshot, snapshot.language_id),)


if __name__ == "__main__":
    sys.exit(run_stdio(FixedConfigurator(LanguageBackend)))
