"""The prompt formats of models that continue text, each as its makers describe it.

Below each entry stands where its format comes from, and what of it could not be
checked against the makers' own words.
"""

from dataclasses import replace

from lsp_server.prompt.fim import FimFamily, Literal, Part, Sentinel, Slot

__all__ = [
    "CODEGEMMA",
    "CODELLAMA",
    "CODESTRAL",
    "DEEPSEEK_CODER",
    "DEEPSEEK_CODER_V2",
    "GRANITE_4",
    "GRANITE_CODE",
    "MELLUM",
    "MIDFILL",
    "QWEN3_CODER",
    "QWEN25_CODER",
    "SEED_CODER",
    "STARCODER2",
]

MIDFILL = FimFamily(
    name="midfill",
    order=(
        Sentinel("<|endoftext|>"),
        Sentinel("<|fim_prefix|>"),
        Sentinel("<|fim_suffix|>"),
        Slot.SUFFIX,
        Sentinel("<|fim_middle|>"),
        Slot.PREFIX,
    ),
    stop_tokens=("<|endoftext|>",),
)
"""Midfill's own models: suffix first, and the typed text last.

The engine then keeps suffix and earlier prefix from key to key. Other files have no
place yet: the first model was not trained with any in front.

Source: variant 2 of SPM in Bavarian et al., arXiv 2207.14255, section 3.
"""

_QWEN_ORDER: tuple[Part, ...] = (
    Slot.SNIPPETS,
    Sentinel("<|fim_prefix|>"),
    Slot.PREFIX,
    Sentinel("<|fim_suffix|>"),
    Slot.SUFFIX,
    Sentinel("<|fim_middle|>"),
)

QWEN25_CODER = FimFamily(
    name="qwen2.5-coder",
    order=_QWEN_ORDER,
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
"""Source: the README of QwenLM/Qwen2.5-Coder, sections on file-level and
repository-level completion. Its repository-level example continues a file to the
right; FIM sentinels behind ``<|file_sep|>`` are what other clients send and are not
confirmed there. The project's name is not known here, so a fixed word stands for it.
"""

QWEN3_CODER = replace(QWEN25_CODER, name="qwen3-coder")
"""The raw prompt of Qwen2.5-Coder, though these models are trained for chat as well.

Source: the README of QwenLM/Qwen3-Coder shows these sentinels inside of ChatML; its
issue 543 reports that the models then answer with Markdown fences, and that the raw
prompt works. ``qwen3-coder-chatml`` is the README's form. Other files in front of the
FIM part are not confirmed.
"""

_STARCODER_ORDER: tuple[Part, ...] = (
    Sentinel("<fim_prefix>"),
    Slot.PREFIX,
    Sentinel("<fim_suffix>"),
    Slot.SUFFIX,
    Sentinel("<fim_middle>"),
)

STARCODER2 = FimFamily(
    name="starcoder2",
    order=(Slot.SNIPPETS, *_STARCODER_ORDER),
    stop_tokens=("<|endoftext|>", "<file_sep>"),
    snippets_head=(Sentinel("<repo_name>"), Literal("project\n")),
    snippet=(
        Sentinel("<file_sep>"),
        Slot.PATH,
        Literal("\n"),
        Slot.TEXT,
        Literal("\n"),
    ),
    snippets_tail=(Sentinel("<file_sep>"), Slot.PATH, Literal("\n")),
)
"""Source: Lozhkov et al., arXiv 2402.19173, section 5 (repository context, FIM)."""

GRANITE_CODE = FimFamily(
    name="granite-code",
    order=_STARCODER_ORDER,
    stop_tokens=("<|endoftext|>",),
)
"""Source: the README of ibm-granite/granite-code-models says that StarCoder's
tokenizer is used, and its makers in issue 3 that filling in the middle is StarCoder's,
with an example. Other files have no known place.
"""

GRANITE_4 = FimFamily(
    name="granite-4",
    order=(
        Sentinel("<|fim_prefix|>"),
        Slot.PREFIX,
        Sentinel("<|fim_suffix|>"),
        Slot.SUFFIX,
        Sentinel("<|fim_middle|>"),
    ),
    stop_tokens=("<|end_of_text|>",),
)
"""Source: the prompt engineering guide in ibm-granite/granite-4.0-language-models,
section on FIM: sentinels and order, confirmed. Its example stands inside of a chat,
since it asks an instruct model; that base models take the same without, as the cards of
granite-4.0-micro-base and granite-4.0-1b-base say in words, is not shown there. Other
files have no known place.
"""

CODELLAMA = FimFamily(
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

DEEPSEEK_CODER = FimFamily(
    name="deepseek-coder",
    order=(
        Sentinel("<\uff5cbegin\u2581of\u2581sentence\uff5c>"),
        Slot.SNIPPETS,
        Sentinel("<\uff5cfim\u2581begin\uff5c>"),
        Slot.PREFIX,
        Sentinel("<\uff5cfim\u2581hole\uff5c>"),
        Slot.SUFFIX,
        Sentinel("<\uff5cfim\u2581end\uff5c>"),
    ),
    stop_tokens=("<\uff5cend\u2581of\u2581sentence\uff5c>",),
    snippet=(Literal("#"), Slot.PATH, Literal("\n"), Slot.TEXT, Literal("\n")),
    snippets_tail=(Literal("#"), Slot.PATH, Literal("\n")),
)
"""Source: the README of deepseek-ai/DeepSeek-Coder, code insertion and
repository-level completion, confirmed apart; the two together are not shown there.
The first token is what its tokenizer puts in front by default.
"""

DEEPSEEK_CODER_V2 = replace(DEEPSEEK_CODER, name="deepseek-coder-v2")
"""Source: the README of deepseek-ai/DeepSeek-Coder-V2 shows the same code insertion
for the base models; other files in front are not confirmed.
"""

CODEGEMMA = FimFamily(
    name="codegemma",
    order=(
        Sentinel("<bos>"),
        Slot.SNIPPETS,
        Sentinel("<|fim_prefix|>"),
        Slot.PREFIX,
        Sentinel("<|fim_suffix|>"),
        Slot.SUFFIX,
        Sentinel("<|fim_middle|>"),
    ),
    stop_tokens=("<|file_separator|>", "<eos>"),
    snippet=(
        Slot.PATH,
        Literal("\n"),
        Slot.TEXT,
        Literal("\n"),
        Sentinel("<|file_separator|>"),
    ),
)
"""Source: Google's page on CodeGemma's formatting (ai.google.dev/gemma/docs/codegemma)
for sentinels and stop tokens. How files are joined is described there only in words.
"""

CODESTRAL = FimFamily(
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
    snippet=(
        Literal("+++++ "),
        Slot.PATH,
        Literal("\n"),
        Slot.TEXT,
        Literal("\n"),
    ),
    snippets_tail=(Literal("+++++ "), Slot.PATH, Literal("\n")),
)
"""Source: ``encode_fim`` in mistral-common and its test of it: suffix without a
leading space, prefix with it, no middle token; confirmed for its SentencePiece v3
tokenizer. The control ids are part of that tokenizer. A ``tokenizer.json`` converted
from it may not name them; such a model is refused at load. Where other files go is
from editor plug-ins and is not confirmed.
"""

SEED_CODER = FimFamily(
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
"""Source: Seed-Coder's report, arXiv 2506.03524, section 2.2: SPM, confirmed. Whether
the model expects its begin token in front is not stated; it is not set.
"""

MELLUM = FimFamily(
    name="mellum",
    order=(
        Slot.SNIPPETS,
        Sentinel("<filename>"),
        Slot.PATH,
        Literal("\n"),
        Sentinel("<fim_suffix>"),
        Slot.SUFFIX,
        Sentinel("<fim_prefix>"),
        Slot.PREFIX,
        Sentinel("<fim_middle>"),
    ),
    stop_tokens=("<|endoftext|>", "<filename>"),
    snippet=(
        Sentinel("<filename>"),
        Slot.PATH,
        Literal("\n"),
        Slot.TEXT,
        Literal("\n"),
    ),
)
"""Source: the model card of JetBrains/Mellum-4b-base, example with further files; not
read at its source, but from notes on it. The order, suffix first, is confirmed by
Mellum's report, arXiv 2510.05788.
"""
