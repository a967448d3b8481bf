"""The settings of what else than the document itself the model reads."""

from dataclasses import dataclass

from pydantic import StrictBool, StrictStr

__all__ = ["ContextConfig"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextConfig:
    """What of the project stands in a prompt beside the document.

    Attributes:
        enabled: Whether prompts hold snippets of other files at all; off by default
            with a model whose manifest says so, as the shipped one's does.
        disabled_languages: Language ids of documents whose prompts hold none, separated
            by spaces; ``open_tabs:markdown`` leaves out the snippets of one source.
        open_tabs: Whether snippets come from the other documents that the editor has
            open.
        recent_edits: Whether they come from what was edited last in other documents.
        diagnostics: Whether the errors and warnings of the document are one, where the
            editor sends them.
    """

    enabled: StrictBool = True
    disabled_languages: StrictStr = ""
    open_tabs: StrictBool = True
    recent_edits: StrictBool = True
    diagnostics: StrictBool = True
