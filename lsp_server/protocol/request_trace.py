"""The trace of a request: for the editor that asks, and for the user's record.

``midfill/trace`` holds source text, which goes to the editor that asked and is never
logged. The record holds counts, and text only where a setting keeps it.
"""

import dataclasses
import enum
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from lsp_server.config import Config
from lsp_server.history.events import (
    CutCount,
    RequestEvent,
    SnippetUse,
    TracedText,
)
from lsp_server.outcomes import CompletionResult, Ending, Reason
from lsp_server.protocol.inline_completion import CompletionRequest
from lsp_server.service.backend import Backend
from lsp_server.values import Snippet

__all__ = ["TracedRequest", "request_event", "trace_values"]

_SECTIONS = ("completion", "prompt", "privacy", "context")
"""Sections of settings that decide what a completion is."""

_MOST_NAME_CHARS = 40
"""Of names that a client chose."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedRequest:
    """A request that was answered.

    Attributes:
        request: The request.
        result: The backend's result; None if the request ended before it.
        shown: The texts of the items in the answer.
        reason: Why there are none; None if there are some.
    """

    request: CompletionRequest
    result: CompletionResult | None
    shown: tuple[str, ...]
    reason: Reason | None

    @property
    def ending(self) -> Ending:
        """How the request ended."""
        return Ending.SHOWN if self.reason is None else self.reason.ending

    @property
    def language(self) -> str:
        """The document's language id; empty where the document is not known."""
        place = self.request.place
        return place.snapshot.language_id[:_MOST_NAME_CHARS] if place else ""

    @property
    def snippets(self) -> tuple[Snippet, ...]:
        """The snippets of other files in the prompt."""
        prompt = self.result.prompt if self.result else None
        return prompt.snippets if prompt else ()

    @property
    def stages_ms(self) -> dict[str, float]:
        """How long each stage took, in milliseconds."""
        timings = self.result.timings if self.result else None
        stages = timings.stages_ms if timings else {}
        return {stage.value: round(ms, 3) for stage, ms in stages.items()}


def trace_values(traced: TracedRequest, backend: Backend) -> dict[str, object]:
    """Return the trace of a request, in JSON's values."""
    request = traced.request
    result = traced.result or CompletionResult()
    timings = result.timings
    return {
        "requestId": request.request_id,
        "uri": request.uri,
        "line": request.position.line,
        "character": request.position.character,
        "language": traced.language,
        "trigger": request.trigger.value,
        "scope": result.scope and result.scope.value,
        "prompt": backend.prompt_text(result.prompt) if result.prompt else "",
        "snippets": [
            {
                "path": snippet.path,
                "source": snippet.source,
                "chars": len(snippet.text),
                "text": snippet.text,
            }
            for snippet in traced.snippets
        ],
        "promptTokens": timings.prompt_tokens if timings else 0,
        "cachedTokens": timings.cached_tokens if timings else 0,
        "generated": list(result.generated),
        "cuts": [
            {"filter": cut.filter_name, "before": cut.before, "after": cut.after}
            for cut in result.cuts
        ],
        "shown": list(traced.shown),
        "outcome": traced.ending.value,
        "reason": traced.reason and traced.reason.sentence,
        "ttftMs": timings and timings.ttft_ms,
        "totalMs": timings and timings.total_ms,
        "outputTokens": timings.output_tokens if timings else 0,
        "source": timings and timings.source.value,
        "model": result.model,
        "stagesMs": traced.stages_ms,
        "settings": changed_settings(backend.config),
    }


def request_event(
    traced: TracedRequest, backend: Backend, *, editor: str, at: datetime
) -> RequestEvent:
    """Return what is recorded of a request, with its text only if a setting says so."""
    request = traced.request
    result = traced.result or CompletionResult()
    timings = result.timings
    reason = traced.reason
    return RequestEvent(
        at=at,
        id=request.request_id,
        editor=editor[:_MOST_NAME_CHARS],
        language=traced.language,
        suffix=_suffix_of(request.uri),
        line=request.position.line,
        character=request.position.character,
        trigger=request.trigger.value,
        scope=result.scope.value if result.scope else "",
        model=result.model,
        source=timings.source.value if timings else "",
        outcome=traced.ending.value,
        reason=reason.word if reason else "",
        sentence=reason.sentence if reason else "",
        prompt_tokens=timings.prompt_tokens if timings else 0,
        cached_tokens=timings.cached_tokens if timings else 0,
        output_tokens=timings.output_tokens if timings else 0,
        ttft_ms=timings.ttft_ms if timings else None,
        total_ms=timings.total_ms if timings else None,
        stages_ms=traced.stages_ms,
        generated_chars=tuple(map(len, result.generated)),
        shown_chars=tuple(map(len, traced.shown)),
        cuts=tuple(
            CutCount(
                filter_name=cut.filter_name,
                before_chars=len(cut.before),
                after_chars=len(cut.after),
            )
            for cut in result.cuts
        ),
        snippets=tuple(
            SnippetUse(path=each.path, source=each.source, chars=len(each.text))
            for each in traced.snippets
        ),
        settings=changed_settings(backend.config),
        text=_text_of(traced, result, backend) if _keeps_text(backend) else None,
    )


def _keeps_text(backend: Backend) -> bool:
    """Return whether the settings have text recorded."""
    return backend.config.telemetry.keep_text


def _text_of(
    traced: TracedRequest, result: CompletionResult, backend: Backend
) -> TracedText:
    """Return the text of a request."""
    return TracedText(
        prompt=backend.prompt_text(result.prompt) if result.prompt else "",
        generated=result.generated,
        cuts=tuple((cut.before, cut.after) for cut in result.cuts),
        shown=traced.shown,
        snippets=tuple(each.text for each in traced.snippets),
    )


def _suffix_of(uri: str) -> str:
    """Return the suffix of a document's name, ``.py`` for example."""
    try:
        path = unquote(urlsplit(uri).path)
    except ValueError:
        return ""
    return PurePosixPath(path).suffix[:_MOST_NAME_CHARS]


def changed_settings(config: Config) -> dict[str, str]:
    """Return the settings that decide what a completion is, and are not the default."""
    default = Config()
    return {
        f"{section}.{field.name}": _shown(value)
        for section in _SECTIONS
        for field in dataclasses.fields(getattr(default, section))
        if (value := getattr(getattr(config, section), field.name))
        != getattr(getattr(default, section), field.name)
    }


def _shown(value: object) -> str:
    """Return a setting's value as a file of settings has it."""
    text = str(value.value if isinstance(value, enum.Enum) else value)
    return text.lower() if isinstance(value, bool) else text
