"""The model families that Midfill knows, each with its prompt format and its source.

A manifest names its model's family. A family that is not here is refused: a wrong
format gives worse completions than none. Below each family stands what its makers say
of the format, and what of it could not be confirmed there.
"""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from lsp_server.errors import UnsupportedModelError
from lsp_server.prompt.fim import FimFamily, Literal, Part, Sentinel, Slot
from lsp_server.prompt.own_families import MIDFILL, MIDFILL_MARKED_CURSOR

__all__ = ["FAMILIES", "find_family"]


def _psm(prefix: str, suffix: str, middle: str) -> tuple[Part, ...]:
    """Return the order prefix, suffix, middle with these sentinels."""
    head = (Sentinel(prefix), Slot.PREFIX)
    return (*head, Sentinel(suffix), Slot.SUFFIX, Sentinel(middle))


_PATH_LINE: tuple[Part, ...] = (Slot.PATH, Literal("\n"))
_FILE: tuple[Part, ...] = (*_PATH_LINE, Slot.TEXT, Literal("\n"))
_FIM = _psm("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>")
_STARCODER_FIM = _psm("<fim_prefix>", "<fim_suffix>", "<fim_middle>")
_PROJECT_LINE = Literal("project\n")
"""Stands for the project's name, which is not known here."""

_QWEN25_CODER = FimFamily(
    name="qwen2.5-coder",
    order=(Slot.SNIPPETS, *_FIM),
    stop_tokens=(
        "<|endoftext|>",
        "<|fim_prefix|>",
        "<|fim_middle|>",
        "<|fim_suffix|>",
        "<|fim_pad|>",
        "<|repo_name|>",
        "<|file_sep|>",
        "<|im_end|>",
    ),
    snippets_head=(Sentinel("<|repo_name|>"), _PROJECT_LINE),
    snippet=(Sentinel("<|file_sep|>"), *_FILE),
    snippets_tail=(Sentinel("<|file_sep|>"), *_PATH_LINE),
)
"""Source: the README of QwenLM/Qwen2.5-Coder, sections on file-level and
repository-level completion. Its repository-level example continues a file to the right;
FIM sentinels behind ``<|file_sep|>`` are what other clients send and are not confirmed.
"""

_QWEN3_CODER = replace(_QWEN25_CODER, name="qwen3-coder")
"""The raw prompt of Qwen2.5-Coder, though these models are trained for chat as well.

Source: the README of QwenLM/Qwen3-Coder shows these sentinels in ChatML; its issue 543
reports that the models then answer with Markdown fences, and that the raw prompt works.
Other files in front of the FIM part are not confirmed.
"""

_QWEN3_CODER_CHATML = replace(
    _QWEN3_CODER,
    name="qwen3-coder-chatml",
    order=(
        Sentinel("<|im_start|>"),
        Literal("system\nYou are a code completion assistant."),
        Sentinel("<|im_end|>"),
        Literal("\n"),
        Sentinel("<|im_start|>"),
        Literal("user\n"),
        *_QWEN3_CODER.order,
        Sentinel("<|im_end|>"),
        Literal("\n"),
        Sentinel("<|im_start|>"),
        Literal("assistant\n"),
    ),
)
"""The same prompt in ChatML, as the README of QwenLM/Qwen3-Coder shows it. Other files
in front of the FIM part are not confirmed."""

_STARCODER2 = FimFamily(
    name="starcoder2",
    order=(Slot.SNIPPETS, *_STARCODER_FIM),
    stop_tokens=("<|endoftext|>", "<file_sep>"),
    snippets_head=(Sentinel("<repo_name>"), _PROJECT_LINE),
    snippet=(Sentinel("<file_sep>"), *_FILE),
    snippets_tail=(Sentinel("<file_sep>"), *_PATH_LINE),
)
"""Source: Lozhkov et al., arXiv 2402.19173, section 5 (repository context, FIM)."""

_GRANITE_CODE = FimFamily(
    name="granite-code", order=_STARCODER_FIM, stop_tokens=("<|endoftext|>",)
)
"""Source: the README of ibm-granite/granite-code-models says that it uses StarCoder's
tokenizer, and its makers say in issue 3, with an example, that it fills in the middle
like StarCoder. No place for other files is known.
"""

_GRANITE_4 = FimFamily(name="granite-4", order=_FIM, stop_tokens=("<|end_of_text|>",))
"""Source: the prompt engineering guide in ibm-granite/granite-4.0-language-models,
section on FIM: sentinels and order, confirmed. Its example asks an instruct model in a
chat. That base models take the same without one is said, but not shown, in the cards of
granite-4.0-micro-base and granite-4.0-1b-base. No place for other files is known.
"""

_CODELLAMA = FimFamily(
    name="codellama",
    order=(
        Sentinel("<s>"),
        Sentinel("\u2581<PRE>"),
        Literal(" "),
        Slot.PREFIX,
        Sentinel("\u2581<SUF>"),
        Slot.SUFFIX,
        Sentinel("\u2581<MID>"),
    ),
    stop_tokens=("\u2581<EOT>", "</s>"),
)
"""Source: ``llama/tokenizer.py`` of facebookresearch/codellama: the suffix is encoded
without SentencePiece's leading space (confirmed), the prefix with it. Here that space
is a token of its own, where SentencePiece would join it to a first word. Only the
7B and 13B base and instruct models know these sentinels.
"""

_DEEPSEEK_CODER = FimFamily(
    name="deepseek-coder",
    order=(
        Sentinel("<\uff5cbegin\u2581of\u2581sentence\uff5c>"),
        Slot.SNIPPETS,
        *_psm(
            "<\uff5cfim\u2581begin\uff5c>",
            "<\uff5cfim\u2581hole\uff5c>",
            "<\uff5cfim\u2581end\uff5c>",
        ),
    ),
    stop_tokens=("<\uff5cend\u2581of\u2581sentence\uff5c>",),
    snippet=(Literal("#"), *_FILE),
    snippets_tail=(Literal("#"), *_PATH_LINE),
)
"""Source: the README of deepseek-ai/DeepSeek-Coder, code insertion and repository-level
completion: each is confirmed, both together are not shown. The first token is what its
tokenizer puts in front by default.
"""

_DEEPSEEK_CODER_V2 = replace(_DEEPSEEK_CODER, name="deepseek-coder-v2")
"""Source: the README of deepseek-ai/DeepSeek-Coder-V2 shows the same code insertion for
the base models; other files in front are not confirmed."""

_CODEGEMMA = FimFamily(
    name="codegemma",
    order=(Sentinel("<bos>"), Slot.SNIPPETS, *_FIM),
    stop_tokens=("<|file_separator|>", "<eos>"),
    snippet=(*_FILE, Sentinel("<|file_separator|>")),
)
"""Source: Google's page on CodeGemma's formatting (ai.google.dev/gemma/docs/codegemma)
for sentinels and stop tokens. How files are joined is described there only in words.
"""

_CODESTRAL = FimFamily(
    name="codestral",
    order=(
        Sentinel("<s>"),
        Sentinel("[SUFFIX]"),
        Slot.SUFFIX,
        Sentinel("[PREFIX]"),
        Literal(" "),
        Slot.SNIPPETS,
        Slot.PREFIX,
    ),
    stop_tokens=("</s>",),
    snippet=(Literal("+++++ "), *_FILE),
    snippets_tail=(Literal("+++++ "), *_PATH_LINE),
)
"""Source: ``encode_fim`` in mistral-common and its test: the suffix without a leading
space, the prefix with it, no middle token; confirmed for its SentencePiece v3
tokenizer, whose control tokens these are. A ``tokenizer.json`` converted from it may
not name them; such a model is refused at load. The place of other files is taken from
editor plug-ins and is not confirmed.
"""

_SEED_CODER = FimFamily(
    name="seed-coder",
    order=(
        Sentinel("<[fim-suffix]>"),
        Slot.SUFFIX,
        Sentinel("<[fim-prefix]>"),
        Slot.PREFIX,
        Sentinel("<[fim-middle]>"),
    ),
    stop_tokens=("<[end\u2581of\u2581sentence]>",),
)
"""Source: Seed-Coder's report, arXiv 2506.03524, section 2.2: SPM, confirmed. It does
not say whether the model expects a begin token in front; none is set.
"""

_MELLUM = FimFamily(
    name="mellum",
    order=(
        Slot.SNIPPETS,
        Sentinel("<filename>"),
        *_PATH_LINE,
        Sentinel("<fim_suffix>"),
        Slot.SUFFIX,
        Sentinel("<fim_prefix>"),
        Slot.PREFIX,
        Sentinel("<fim_middle>"),
    ),
    stop_tokens=("<|endoftext|>", "<filename>"),
    snippet=(Sentinel("<filename>"), *_FILE),
)
"""Source: the model card of JetBrains/Mellum-4b-base, example with other files, known
from notes on it. The order, suffix first, is confirmed by arXiv 2510.05788."""

_CODEGEEX4 = FimFamily(
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
    snippet=(Literal("###REFERENCE:\n###PATH:"), *_FILE),
)
"""CodeGeeX4, which is made from GLM-4 and fills in the middle inside a chat.

Source: guides/Infilling_guideline.md in THUDM/CodeGeeX4, contextual and cross-file
infilling, confirmed. It allows to leave out the language, for which a format here has
no place. ``<|endoftext|>`` is what Zed stops GLM models at
(``crates/edit_prediction/src/fim.rs`` in zed-industries/zed).
"""

FAMILIES: Mapping[str, FimFamily] = MappingProxyType(
    {
        family.name: family
        for family in (
            MIDFILL,
            MIDFILL_MARKED_CURSOR,
            _QWEN25_CODER,
            _QWEN3_CODER,
            _QWEN3_CODER_CHATML,
            _STARCODER2,
            _GRANITE_CODE,
            _GRANITE_4,
            _CODELLAMA,
            _DEEPSEEK_CODER,
            _DEEPSEEK_CODER_V2,
            _CODEGEMMA,
            _CODESTRAL,
            _SEED_CODER,
            _MELLUM,
            _CODEGEEX4,
        )
    }
)
"""Every family by its name."""


def find_family(name: str) -> FimFamily:
    """Return the family of exactly this name.

    Raises:
        UnsupportedModelError: There is none.
    """
    family = FAMILIES.get(name)
    if family is None:
        raise UnsupportedModelError(
            f"there is no model family {name!r}",
            subject="family in the model's manifest",
            remedy=f"use one of {', '.join(sorted(FAMILIES))}",
        )
    return family
