"""What clients send, with a limit on every number, text and list.

Parameters that Midfill cannot honour are refused where they ask for something, with
what to do instead. Unknown ones are ignored, as OpenAI-compatible servers do.
"""

from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag
from pydantic_core import PydanticCustomError

__all__ = [
    "ChatBody",
    "CompletionBody",
    "ContentPart",
    "ExtraFile",
    "InfillBody",
    "Message",
    "StreamOptions",
]

_MOST_STOPS = 16
_MOST_PROMPTS = 16
_MOST_FILES = 256
_MOST_MESSAGES = 256
_MOST_PARTS = 32
_MOST_PROMPT_TOKENS = 262_144
"""More fit into no model for code, and reading them would hold the event loop."""

_MOST_CHARS = 8_000_000

_NOTHING: tuple[object, ...] = (None, False, 0, "", [], {}, "none", {"type": "text"})


def _refuse_unless_empty(remedy: str, *, is_zero_asked: bool = False) -> AfterValidator:
    """Return a validator that lets only what asks for nothing pass.

    Args:
        remedy: What to do instead.
        is_zero_asked: Whether 0 asks for something, as `False` does not.
    """

    def check(value: object) -> object:
        is_zero = value == 0 and value is not False
        if value in _NOTHING and not (is_zero and is_zero_asked):
            return value
        raise PydanticCustomError(
            "unsupported_parameter",
            "this server does not do it; {remedy}",
            {"remedy": remedy},
        )

    return AfterValidator(check)


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _form_of(value: object) -> str:
    """Return which form of a prompt this is, by its first item.

    All others are not tried: each would list what is wrong with a million items.
    """
    if not isinstance(value, list):
        return "text"
    match value[:1]:
        case [int()]:
            return "tokens"
        case [list()]:
            return "token lists"
    return "texts"


def _whole_characters(value: object) -> object:
    """Replace halves of characters, which clients cut texts at, by U+FFFD."""
    if not isinstance(value, str) or value.isascii():
        return value
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _whole_number(value: object) -> object:
    """Return a number as an integer where it is one, as 2.0 is to JSON Schema."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


# Strict, as OpenAI is: pydantic takes "no" for false else, and true for 1.
_Flag: TypeAlias = Annotated[bool, Field(strict=True)]
_Integer: TypeAlias = Annotated[int, BeforeValidator(_whole_number), Field(strict=True)]
_Number: TypeAlias = Annotated[float, Field(strict=True, allow_inf_nan=False)]
# Limits stand inside of each optional type: pydantic fails at None where they are
# outside of it. Every list stops at its first bad item, or millions of them would be
# looked through and described while everybody waits.
_Stop: TypeAlias = Annotated[
    str, BeforeValidator(_whole_characters), Field(min_length=1, max_length=256)
]
Stops: TypeAlias = Annotated[
    Annotated[list[_Stop], Field(max_length=_MOST_STOPS, fail_fast=True)] | None,
    BeforeValidator(_as_list),
    Field(description="Up to 16 strings; the text ends before."),
]
MaxTokens: TypeAlias = Annotated[  # `limit_tokens` says how many there may be
    Annotated[_Integer, Field(ge=0)] | None,
    Field(description="16 without; 0 generates nothing."),
]
Temperature: TypeAlias = Annotated[_Number, Field(ge=0, le=2)] | None
TopP: TypeAlias = Annotated[_Number, Field(gt=0, le=1)] | None
Seed: TypeAlias = Annotated[_Integer, Field(ge=-(2**63), le=2**63 - 1)] | None
Count: TypeAlias = Annotated[_Integer, Field(ge=1, le=16)] | None
Name: TypeAlias = Annotated[str, Field(max_length=256)] | None
_Text: TypeAlias = Annotated[
    str, BeforeValidator(_whole_characters), Field(max_length=_MOST_CHARS)
]
_NULL_IS_EMPTY = BeforeValidator(lambda value: "" if value is None else value)
_LlamaText: TypeAlias = Annotated[_Text, _NULL_IS_EMPTY]  # as in llama.cpp
_Tokens: TypeAlias = Annotated[
    list[Annotated[int, Field(strict=True, ge=0)]],
    Field(min_length=1, max_length=_MOST_PROMPT_TOKENS, fail_fast=True),
]
_Texts: TypeAlias = Annotated[
    list[_Text], Field(max_length=_MOST_PROMPTS, fail_fast=True)
]
_TokenLists: TypeAlias = Annotated[
    list[_Tokens], Field(max_length=_MOST_PROMPTS, fail_fast=True)
]
_Prompt: TypeAlias = Annotated[
    Annotated[_Text, Tag("text")]
    | Annotated[_Tokens, Tag("tokens")]
    | Annotated[_Texts, Tag("texts")]
    | Annotated[_TokenLists, Tag("token lists")],
    Discriminator(_form_of),
]
_LEAVE_OUT = _refuse_unless_empty("leave it out")
_NO_LOGPROBS = _refuse_unless_empty("leave it out", is_zero_asked=True)
_PLAIN = _refuse_unless_empty("leave it out, and check the answer's form yourself")
_Unsupported: TypeAlias = Annotated[object, _LEAVE_OUT]
_Structured: TypeAlias = Annotated[object, _PLAIN]
_Template: TypeAlias = Annotated[
    object,
    _refuse_unless_empty("leave it out; the server's owner sets rest.chat_template"),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamOptions:
    """How a stream is sent."""

    include_usage: _Flag | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Refused:
    """Parameters of other servers that change what a model may write."""

    logit_bias: _Unsupported = None
    frequency_penalty: _Unsupported = None
    presence_penalty: _Unsupported = None
    prompt_embeds: _Unsupported = None
    use_beam_search: _Unsupported = None
    logits_processors: _Unsupported = None
    response_format: _Structured = None
    structured_outputs: _Structured = None
    guided_json: _Structured = None
    guided_regex: _Structured = None
    guided_choice: _Structured = None
    guided_grammar: _Structured = None
    grammar: _Structured = None
    json_schema: _Structured = None
    chat_template: _Template = None
    chat_template_kwargs: _Template = None
    lora: _Unsupported = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletionBody(_Refused):
    """A request for completions, as OpenAI has it; with ``suffix``, it fills a gap."""

    model: Name = None
    prompt: Annotated[
        _Prompt,
        _NULL_IS_EMPTY,
        Field(
            description="The code left of the cursor; null is the start of a document. "
            "With `raw`, a rendered prompt."
        ),
    ]
    suffix: Annotated[
        _Text | None, Field(description="The code right of the cursor.")
    ] = None
    raw: Annotated[
        _Flag | None, Field(description="Whether control tokens named in it count.")
    ] = None
    max_tokens: MaxTokens = None
    temperature: Temperature = None
    top_p: TopP = None
    seed: Seed = None
    n: Count = None
    best_of: Count = None
    stop: Stops = None
    stream: _Flag | None = None
    stream_options: StreamOptions | None = None
    echo: _Flag | None = None
    logprobs: Annotated[object, _NO_LOGPROBS] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentPart:
    """A part of a message; only text is taken."""

    type: Literal["text"]
    text: _Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message of a chat."""

    role: Literal["system", "developer", "user", "assistant"]
    content: (
        _Text
        | Annotated[list[ContentPart], Field(max_length=_MOST_PARTS, fail_fast=True)]
    )

    @property
    def text(self) -> str:
        """The text of all parts."""
        if isinstance(self.content, str):
            return self.content
        return "".join(part.text for part in self.content)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatBody(_Refused):
    """A request for the next message of a chat, as OpenAI has it."""

    model: Name = None
    messages: Annotated[
        list[Message], Field(min_length=1, max_length=_MOST_MESSAGES, fail_fast=True)
    ]
    max_tokens: Annotated[
        Annotated[_Integer, Field(ge=-1)] | None, Field(description="-1 is the most.")
    ] = None
    max_completion_tokens: Annotated[_Integer, Field(ge=1)] | None = None
    temperature: Temperature = None
    top_p: TopP = None
    seed: Seed = None
    n: Count = None
    stop: Stops = None
    stream: _Flag | None = None
    stream_options: StreamOptions | None = None
    logprobs: _Unsupported = None
    top_logprobs: _Unsupported = None
    tools: _Unsupported = None
    tool_choice: _Unsupported = None
    functions: _Unsupported = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtraFile:
    """A piece of another file."""

    text: _Text
    filename: Annotated[str, Field(max_length=4096)] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InfillBody:
    """A request to fill a gap, as llama.cpp has it.

    What selects among samplers, slots and caches of llama.cpp is ignored.
    """

    input_prefix: _LlamaText = ""
    input_suffix: _LlamaText = ""
    input_extra: (
        Annotated[list[ExtraFile], Field(max_length=_MOST_FILES, fail_fast=True)] | None
    ) = None
    prompt: _LlamaText = ""
    n_predict: Annotated[_Integer, Field(ge=-2)] | None = None
    t_max_predict_ms: Annotated[_Integer, Field(le=3_600_000)] | None = None
    n_indent: Annotated[_Integer, Field(ge=0, le=10_000)] | None = None
    temperature: Annotated[_Number, Field(le=2)] | None = None
    top_p: Annotated[_Number, Field(ge=0, le=1)] | None = None
    seed: Seed = None
    stop: Stops = None
    stream: _Flag | None = None
    response_fields: (
        Annotated[
            list[Annotated[str, Field(max_length=64)]],
            Field(max_length=64, fail_fast=True),
        ]
        | None
    ) = None
    model: Name = None
    n_probs: _Unsupported = None
    logit_bias: _Unsupported = None
    grammar: _Structured = None
    json_schema: _Structured = None
    lora: _Unsupported = None
