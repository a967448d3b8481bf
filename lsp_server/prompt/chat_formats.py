"""The prompt formats of models that fill in the middle inside of a chat.

Below each entry stands where its format comes from, and what of it could not be
checked against the makers' own words.
"""

from dataclasses import replace

from lsp_server.prompt.fim import FimFamily, Literal, Sentinel, Slot
from lsp_server.prompt.formats import QWEN3_CODER

__all__ = ["CODEGEEX4", "QWEN3_CODER_CHATML"]

QWEN3_CODER_CHATML = replace(
    QWEN3_CODER,
    name="qwen3-coder-chatml",
    order=(
        Sentinel("<|im_start|>"),
        Literal("system\nYou are a code completion assistant."),
        Sentinel("<|im_end|>"),
        Literal("\n"),
        Sentinel("<|im_start|>"),
        Literal("user\n"),
        *QWEN3_CODER.order,
        Sentinel("<|im_end|>"),
        Literal("\n"),
        Sentinel("<|im_start|>"),
        Literal("assistant\n"),
    ),
)
"""The raw prompt inside of ChatML.

Source: the README of QwenLM/Qwen3-Coder, section on filling in the middle, confirmed.
Other files in front of the FIM part are not confirmed.
"""

CODEGEEX4 = FimFamily(
    name="codegeex4",
    order=(
        Sentinel("<|user|>"),
        Literal("\n"),
        Slot.SNIPPETS,
        Literal("###PATH:"),
        Slot.PATH,
        Literal("\n###LANGUAGE:\n###MODE:BLOCK\n"),
        Sentinel("<|code_suffix|>"),
        Slot.SUFFIX,
        Sentinel("<|code_prefix|>"),
        Slot.PREFIX,
        Sentinel("<|code_middle|>"),
        Sentinel("<|assistant|>"),
        Literal("\n"),
    ),
    stop_tokens=("<|user|>", "<|endoftext|>"),
    snippet=(
        Literal("###REFERENCE:\n###PATH:"),
        Slot.PATH,
        Literal("\n"),
        Slot.TEXT,
        Literal("\n"),
    ),
)
"""The format of CodeGeeX4, which is made from GLM-4.

Source: guides/Infilling_guideline.md in THUDM/CodeGeeX4, sections on contextual and
cross-file infilling, confirmed. The language may be left out there, and is: a format
has no place for it. ``<|endoftext|>`` is what Zed stops GLM models at
(``crates/edit_prediction/src/fim.rs`` in zed-industries/zed).
"""
