"""The settings of what else than the document itself the model reads."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, StrictBool, StrictStr

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
        index: Whether they come from the other files of the workspace folders, which
            are indexed for that in the user's cache folder.
        definitions: Whether they say how the names near the cursor are declared: where
            the document's imports lead, and where the index knows a name.
        index_max_files: Most files of a workspace folder that are indexed.
        index_max_file_bytes: Larger files are not indexed, and no context.
        index_max_bytes: Most that the index of a workspace folder takes on disk.
    """

    enabled: StrictBool = True
    disabled_languages: StrictStr = ""
    open_tabs: StrictBool = True
    recent_edits: StrictBool = True
    diagnostics: StrictBool = True
    index: StrictBool = True
    definitions: StrictBool = True
    index_max_files: Annotated[int, Field(strict=True, ge=1, le=1_000_000)] = 100_000
    index_max_file_bytes: Annotated[int, Field(strict=True, ge=1024, le=1 << 24)] = (
        1 << 18
    )
    index_max_bytes: Annotated[int, Field(strict=True, ge=1 << 20, le=1 << 40)] = (
        1 << 30
    )
