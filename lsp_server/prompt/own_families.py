"""The prompt formats of Midfill's own models.

The server asks in them, and `training.train` writes its rows in them: a change here
needs a model that is trained anew. Both formats have the suffix first and the prefix
right before the middle, so that the engine's prefix cache keeps all but the end of the
prefix while the user types.
"""

from lsp_server.prompt.fim import FimFamily, Literal, Sentinel, Slot

__all__ = ["MIDFILL", "MIDFILL_MARKED_CURSOR"]

_END = "<|endoftext|>"
_FILE = Sentinel("<|file_sep|>")
_LINE_END = Literal("\n")

MIDFILL = FimFamily(
    name="midfill",
    order=(
        Sentinel(_END),
        Sentinel("<|fim_prefix|>"),
        Sentinel("<|fim_suffix|>"),
        Slot.SUFFIX,
        Sentinel("<|fim_middle|>"),
        Slot.PREFIX,
    ),
    stop_tokens=(_END,),
)
"""The first model's: nothing shows where the prefix ends and the middle begins.

There is no place for other files, as the model was trained without.

Source: variant 2 of SPM in Bavarian et al., arXiv 2207.14255, section 3.
"""

MIDFILL_MARKED_CURSOR = FimFamily(
    name="midfill-marked-cursor",
    order=(
        Sentinel(_END),
        Slot.SNIPPETS,
        Sentinel("<|fim_suffix|>"),
        Slot.SUFFIX,
        Sentinel("<|fim_prefix|>"),
        Slot.PREFIX,
        Sentinel("<|fim_middle|>"),
    ),
    stop_tokens=(_END,),
    snippets_head=(Sentinel("<|repo_name|>"), Literal("project\n")),
    snippet=(_FILE, Slot.PATH, _LINE_END, Slot.TEXT, _LINE_END),
    snippets_tail=(_FILE, Slot.PATH, _LINE_END),
)
"""A sentinel at the cursor shows where the middle begins, and snippets stand in front.

Source: the order of Seed-Coder's report, arXiv 2506.03524, section 2.2; snippets as in
Qwen2.5-Coder's repository format.
"""
