"""Puts a completion service together, and the providers of its snippets."""

from collections.abc import Callable

from lsp_server.config import Config, ContextConfig
from lsp_server.context.window import LineWindows
from lsp_server.engine.base import Engine
from lsp_server.metrics import Metrics
from lsp_server.privacy.path_rules import PathRules
from lsp_server.project.definitions.provider import Definitions
from lsp_server.project.definitions.tags import defined_names
from lsp_server.project.diagnostics import Diagnostics
from lsp_server.project.index.provider import WorkspaceIndex
from lsp_server.project.open_tabs import OpenTabs
from lsp_server.project.project import Project
from lsp_server.project.provider import Provider
from lsp_server.project.recent_edits import RecentEdits
from lsp_server.prompt.builder import SNIPPET_SHARE, PromptBuilder
from lsp_server.service.completion import CompletionService
from lsp_server.service.gate import Gate
from lsp_server.service.loaded_model import LoadedModel
from lsp_server.service.privacy import Privacy

__all__ = ["providers", "service_of", "snippet_chars"]

_CHARS_PER_TOKEN = 4


def snippet_chars(prompt_tokens: int) -> int:
    """Return how many characters of snippets a prompt has room for, about."""
    return round(prompt_tokens * SNIPPET_SHARE * _CHARS_PER_TOKEN)


def service_of(
    model: LoadedModel,
    engine: Engine,
    config: Config,
    *,
    gate: Gate | None = None,
    metrics: Metrics | None = None,
    user: str = "",
    cache_salt: str = "",
    privacy: Privacy | None = None,
    project: Project | None = None,
) -> CompletionService:
    """Put the service together from a model, its engine and the settings.

    Raises:
        UnsupportedModelError: The model's tokenizer does not fit its family.
    """
    tokenizer = model.tokenizer
    return CompletionService(
        engine=engine,
        tokenizer=tokenizer,
        prompts=PromptBuilder(
            tokenizer=tokenizer,
            family=model.family,
            config=config.prompt,
            max_model_len=config.engine.max_model_len or model.manifest.context_length,
            comment_snippets=model.manifest.comment_snippets,
            path_of=project.path_of if project is not None else None,
            windows=LineWindows(
                encode=tokenizer.encode,
                encode_ahead=tokenizer.encode_ahead,
                step_lines=config.prompt.step_lines,
                suffix_lines=config.prompt.suffix_lines,
            ),
        ),
        config=config.completion,
        gate=gate,
        confidence=model.manifest.confidence,
        model=model.folder.name,
        metrics=metrics,
        user=user,
        cache_salt=cache_salt,
        privacy=privacy or Privacy(config.privacy),
        snippets_for=project.snippets_for if project is not None else None,
    )


def providers(
    config: Callable[[], ContextConfig], *, is_remote: bool
) -> tuple[Provider, ...]:
    """Make every provider, for one connection.

    Args:
        config: Returns the settings as they are now.
        is_remote: Whether the editor is on another machine: its files are not here.
    """
    anywhere = (OpenTabs(), RecentEdits(), Diagnostics())
    if is_remote:
        return anywhere
    rules = PathRules()
    return (
        *anywhere,
        Definitions(config, rules),
        WorkspaceIndex(config, rules, defined_names=defined_names),
    )
