"""A prompt builder as the service makes it, and documents for it."""

from collections.abc import Callable

from lsp_server.config import PromptConfig
from lsp_server.context.window import LineWindows
from lsp_server.prompt.builder import PromptBuilder
from lsp_server.prompt.families import find_family
from lsp_server.prompt.tokenizer import FastTokenizer
from lsp_server.values import Snapshot


def builder(
    tokenizer: FastTokenizer,
    *,
    family: str = "midfill",
    config: PromptConfig | None = None,
    max_model_len: int = 2048,
    comment_snippets: bool = False,
    path_of: Callable[[str], str] | None = None,
) -> PromptBuilder:
    """Make a builder as the service does."""
    config = config or PromptConfig(healing=False)
    return PromptBuilder(
        tokenizer=tokenizer,
        family=find_family(family),
        config=config,
        max_model_len=max_model_len,
        comment_snippets=comment_snippets,
        path_of=path_of,
        windows=LineWindows(
            encode=tokenizer.encode,
            step_lines=config.step_lines,
            suffix_lines=config.suffix_lines,
        ),
    )


def snapshot(text: str, offset: int) -> Snapshot:
    """Return a document with a cursor."""
    return Snapshot(
        uri="file:///src/a%20b.py",
        language_id="python",
        version=1,
        text=text,
        offset=offset,
    )
