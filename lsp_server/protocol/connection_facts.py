"""The counts and facts of an editor's connection, for the process's status."""

from dataclasses import dataclass

from lsprotocol import types

from lsp_server.outcomes import CompletionResult

__all__ = ["ConnectionFacts", "RequestCounts"]

_MOST_CHARS = 100
"""Of what an editor says of itself; Emacs's version has two lines and 77 characters."""


class RequestCounts:
    """Counts a connection's requests, and the tokens of their prompts."""

    def __init__(self) -> None:
        self.requests = 0
        self.prompt_tokens = 0
        self.cached_tokens = 0

    def count(self, result: CompletionResult | None) -> None:
        """Count a request; None if it ended before it had a result."""
        self.requests += 1
        if result is not None and result.timings is not None:
            self.prompt_tokens += result.timings.prompt_tokens
            self.cached_tokens += result.timings.cached_tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionFacts:
    """A connection at one moment.

    Attributes:
        editor: The editor's name for itself, in one short line; empty before
            it introduces itself.
        version: The editor's version, likewise; empty where it does not say.
        documents: Open documents.
        requests: Requests for a completion until now.
        prompt_tokens: Tokens of their prompts.
        cached_tokens: How many of these the engine found in its prefix cache.
    """

    editor: str
    version: str
    documents: int
    requests: int
    prompt_tokens: int
    cached_tokens: int

    @classmethod
    def of(
        cls, client: types.ClientInfo | None, *, documents: int, counts: RequestCounts
    ) -> "ConnectionFacts":
        """Describe a connection by what its editor said, opened and asked."""
        return cls(
            editor=_one_line(client.name) if client else "",
            version=_one_line(client.version or "") if client else "",
            documents=documents,
            requests=counts.requests,
            prompt_tokens=counts.prompt_tokens,
            cached_tokens=counts.cached_tokens,
        )


def _one_line(text: str) -> str:
    """Return a text of a client's in one line, and not all of a long one."""
    return " ".join(text[: 2 * _MOST_CHARS].split())[:_MOST_CHARS]
