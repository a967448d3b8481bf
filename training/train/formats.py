"""The prompt formats that a model can be trained on.

``midfill`` is the shipped one. The others differ from it in one thing each, so that a
run can tell what that thing is worth.
"""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from lsp_server.prompt.families import find_family
from lsp_server.prompt.fim import FimFamily, Literal, Sentinel, Slot

__all__ = ["FORMATS"]

_REPOSITORY = replace(
    find_family("midfill"),
    snippets_head=(Sentinel("<|repo_name|>"), Literal("project\n")),
    snippet=(
        Sentinel("<|file_sep|>"),
        Slot.PATH,
        Literal("\n"),
        Slot.TEXT,
        Literal("\n"),
    ),
    snippets_tail=(Sentinel("<|file_sep|>"), Slot.PATH, Literal("\n")),
)
_START = Sentinel("<|endoftext|>")

_SUFFIX_FIRST = replace(
    _REPOSITORY,
    order=(
        _START,
        Slot.SNIPPETS,
        Sentinel("<|fim_prefix|>"),
        Sentinel("<|fim_suffix|>"),
        Slot.SUFFIX,
        Sentinel("<|fim_middle|>"),
        Slot.PREFIX,
    ),
)
"""The shipped order: nothing stands between prefix and middle."""

_PREFIX_FIRST = replace(
    _REPOSITORY,
    order=(
        _START,
        Slot.SNIPPETS,
        Sentinel("<|fim_prefix|>"),
        Slot.PREFIX,
        Sentinel("<|fim_suffix|>"),
        Slot.SUFFIX,
        Sentinel("<|fim_middle|>"),
    ),
)
"""PSM: the suffix stands right before the middle. Source: Bavarian et al., arXiv
2207.14255, section 3."""

_MARKED_CURSOR = replace(
    _REPOSITORY,
    order=(
        _START,
        Slot.SNIPPETS,
        Sentinel("<|fim_suffix|>"),
        Slot.SUFFIX,
        Sentinel("<|fim_prefix|>"),
        Slot.PREFIX,
        Sentinel("<|fim_middle|>"),
    ),
)
"""SPM with a sentinel at the cursor: the model can see where its own text begins.

Source: Seed-Coder's report, arXiv 2506.03524, section 2.2."""

FORMATS: Mapping[str, FimFamily] = MappingProxyType(
    {
        "midfill": _SUFFIX_FIRST,
        "prefix-first": _PREFIX_FIRST,
        "marked-cursor": _MARKED_CURSOR,
    }
)
"""Every format by its name."""
