"""Turns what a client of the REST API sends into prompts.

There are three kinds. A *fill* has text on both sides of a gap, and is rendered in the
model's own FIM format. A *continuation* has text on the left alone. A *raw* prompt was
rendered by the client: control tokens written in its text count as control tokens, and
they do so nowhere else.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from lsp_server.config import PromptConfig
from lsp_server.context.window import Encode, LineWindows
from lsp_server.errors import PromptError, PromptTooLongError
from lsp_server.prompt.builder import SNIPPET_SHARE, PromptBuilder
from lsp_server.prompt.healing import held_at
from lsp_server.prompt.raw_text import RawEncoder
from lsp_server.prompt.selfcheck import resolve_family
from lsp_server.service.loaded_model import LoadedModel
from lsp_server.text import with_line_feeds
from lsp_server.values import Prompt, Snapshot, Snippet, Window

__all__ = ["TextPrompt", "TextPrompts"]

_MAX_CHARS_PER_TOKEN = 16
"""A text of more characters than this for each token cannot fit into the model."""

_MAX_CHARS_PER_SNIPPET_TOKEN = 8
"""Code has three or four; what is looked at for nothing takes the time of others."""

_OUTPUT_SHARE = 4
"""At most one part of so many is kept free for the output, where code must be cut."""

_DOCUMENT = "untitled"


@dataclass(frozen=True, slots=True, kw_only=True)
class TextPrompt:
    """A prompt, and how much can be generated behind it.

    Attributes:
        prompt: What the engine reads.
        max_tokens: The most tokens of the answer: what was asked for, or what fits.
        is_cut: Whether some of the client's code was left out.
        before: The client's text before what is generated.
        after: The client's text behind it.
    """

    prompt: Prompt
    max_tokens: int
    is_cut: bool = False
    before: str = ""
    after: str = ""


class TextPrompts:
    """Makes prompts for one model.

    Args:
        model: The model.
        config: The user's settings of prompts; REST clients choose their code by
            themselves, so ``max_prompt_tokens`` does not limit it.
        max_model_len: The most tokens of prompt and output together.
    """

    def __init__(
        self, model: LoadedModel, config: PromptConfig, *, max_model_len: int
    ) -> None:
        """Prepare the family's prompts."""
        tokenizer = model.tokenizer
        self._tokenizer = tokenizer
        self._healing = config.healing
        self._max_model_len = max_model_len
        self._raw = RawEncoder(tokenizer)
        self._stop_ids = resolve_family(tokenizer, model.family).stop_token_ids
        begin = tokenizer.token_id(model.family.begin_token)
        self._begin_ids = () if begin is None else (begin,)
        self._windows = _WholeWindows(
            LineWindows(
                encode=tokenizer.encode,
                encode_ahead=tokenizer.encode_ahead,
                step_lines=config.step_lines,
                suffix_lines=max_model_len,  # the client has chosen its text
            ),
            tokenizer.encode,
        )
        self._builder = PromptBuilder(
            tokenizer=tokenizer,
            family=model.family,
            config=replace(config, max_prompt_tokens=max_model_len, anchor_lines=0),
            max_model_len=max_model_len,
            windows=self._windows,
        )

    @property
    def raw_encoder(self) -> RawEncoder:
        """Encodes rendered prompts for this model."""
        return self._raw

    @property
    def max_chars(self) -> int:
        """No text of more characters fits into the model."""
        return self._max_model_len * _MAX_CHARS_PER_TOKEN

    @property
    def max_snippet_chars(self) -> int:
        """Pieces of other files with more characters in all are not looked at."""
        tokens = round(self._max_model_len * SNIPPET_SHARE)
        return tokens * _MAX_CHARS_PER_SNIPPET_TOKEN

    def fill(
        self,
        prefix: str,
        suffix: str,
        *,
        max_tokens: int,
        snippets: Sequence[Snippet] = (),
        is_reduced: bool = False,
    ) -> TextPrompt:
        """Return the FIM prompt for a gap.

        Code far from the gap, and snippets, are left out where there is no room.

        Args:
            prefix: The text left of the gap.
            suffix: The text right of it.
            max_tokens: The most tokens to generate.
            snippets: Pieces of other files; left out where the family has no place.
            is_reduced: Whether less code has to do, since the engine is busy.

        Raises:
            ConfigError: The model has no room for code.
        """
        snapshot = _snapshot(prefix, suffix)
        reserved = max(1, min(max_tokens, self._max_model_len // _OUTPUT_SHARE))
        prompt = self._builder.build(
            snapshot,
            max_output_tokens=reserved,
            snippets=snippets,
            is_reduced=is_reduced,
        )
        fitted = self._fitted(prompt, max_tokens, is_cut=self._windows.cut)
        return replace(fitted, before=prefix, after=suffix)

    def continue_text(self, text: str, *, max_tokens: int) -> TextPrompt:
        """Return the prompt that continues a text.

        Raises:
            PromptTooLongError: It does not fit into the model.
        """
        self._check_chars(text)
        text = whole = with_line_feeds(text)
        hold = None
        if self._healing:
            hold = held_at(_snapshot(text, ""), self._tokenizer, is_marked=False)
        if hold is not None and not (self._begin_ids or len(text) > len(hold.text)):
            hold = None  # a prompt must not be empty
        if hold is not None:
            text = text[: len(text) - len(hold.text)]
        ids = (*self._begin_ids, *self._tokenizer.encode(text))
        if not ids:
            raise PromptError(
                "the prompt is empty",
                subject="prompt",
                remedy="send the code left of the cursor",
            )
        prompt = Prompt(token_ids=ids, stop_token_ids=self._stop_ids, hold=hold)
        return replace(self._fitted(prompt, max_tokens), before=whole)

    def raw(self, text: str, *, max_tokens: int) -> TextPrompt:
        """Return a prompt that the client has rendered.

        The token that begins every text of the model is added where it is missing.

        Raises:
            PromptError: It is empty.
            PromptTooLongError: It does not fit into the model.
        """
        self._check_chars(text)
        prompt = self._from_ids(self._raw.encode(text), max_tokens)
        return replace(prompt, before=text)

    def tokens(
        self, token_ids: Sequence[int], *, is_raw: bool, max_tokens: int
    ) -> TextPrompt:
        """Return a prompt that the client has tokenised.

        Args:
            token_ids: The tokens.
            is_raw: Whether control tokens may be among them.
            max_tokens: The most tokens to generate.

        Raises:
            PromptError: A token is not the model's, or it is a control token.
            PromptTooLongError: It does not fit into the model.
        """
        self._check_length(len(token_ids))
        size = self._tokenizer.vocabulary_size
        if any(not 0 <= token_id < size for token_id in token_ids):
            raise PromptError(
                f"a token is not one of the model's {size}",
                subject="prompt",
                remedy="tokenise with the model's own tokenizer, or send text",
            )
        control = self._tokenizer.reserved_ids.difference(self._begin_ids)
        if not is_raw and not control.isdisjoint(token_ids):
            raise PromptError(
                "it holds control tokens",
                subject="prompt",
                remedy='ask for raw mode (`"raw": true`) if they are meant',
            )
        prompt = self._from_ids(tuple(token_ids), max_tokens)
        return replace(prompt, before=self._tokenizer.spell(token_ids))

    def _from_ids(self, ids: tuple[int, ...], max_tokens: int) -> TextPrompt:
        if not ids:
            raise PromptError(
                "the prompt is empty", subject="prompt", remedy="send a rendered prompt"
            )
        if ids[: len(self._begin_ids)] != self._begin_ids:
            ids = (*self._begin_ids, *ids)
        return self._fitted(
            Prompt(token_ids=ids, stop_token_ids=self._stop_ids), max_tokens
        )

    def _fitted(
        self, prompt: Prompt, max_tokens: int, *, is_cut: bool = False
    ) -> TextPrompt:
        """Return the prompt with as many output tokens as there is room for."""
        held = len(prompt.hold.typed_ids) if prompt.hold else 0
        self._check_length(len(prompt.token_ids) + held)
        room = self._max_model_len - len(prompt.token_ids) - held
        return TextPrompt(
            prompt=prompt, max_tokens=min(max_tokens, room), is_cut=is_cut
        )

    def _check_chars(self, text: str) -> None:
        if len(text) > self.max_chars:
            raise self._too_long(f"{len(text)} characters")

    def _check_length(self, tokens: int) -> None:
        if tokens >= self._max_model_len:
            raise self._too_long(f"{tokens} tokens")

    def _too_long(self, size: str) -> PromptTooLongError:
        return PromptTooLongError(
            f"it has {size}, and the model reads {self._max_model_len} tokens, the "
            "answer included",
            subject="prompt",
            remedy="shorten it; only a prompt with a suffix is cut to what fits",
        )


class _WholeWindows:
    """Takes all text on both sides of a cursor where it fits, else what is near.

    Args:
        lines: Chooses what is near.
        encode: Returns the tokens of a text.

    Attributes:
        cut: Whether the last choice left some text out.
    """

    def __init__(self, lines: LineWindows, encode: Encode) -> None:
        self.cut = False
        self._lines = lines
        self._encode = encode

    def choose(
        self, snapshot: Snapshot, *, total_tokens: int, suffix_tokens: int
    ) -> Window:
        """Choose at most ``total_tokens``; a short prefix leaves more to the suffix."""
        most_chars = total_tokens * _MAX_CHARS_PER_TOKEN
        self.cut = True
        if len(snapshot.before) <= most_chars:
            prefix_ids = self._encode(with_line_feeds(snapshot.before))
            room = total_tokens - len(prefix_ids)
            if room >= 0 and len(snapshot.after) <= most_chars:
                suffix_ids = self._encode(with_line_feeds(snapshot.after))
                self.cut = len(suffix_ids) > room
                if not self.cut:
                    return Window(prefix_ids=prefix_ids, suffix_ids=suffix_ids)
            suffix_tokens = max(suffix_tokens, room)
        return self._lines.choose(
            snapshot, total_tokens=total_tokens, suffix_tokens=suffix_tokens
        )


def _snapshot(prefix: str, suffix: str) -> Snapshot:
    return Snapshot(
        uri=_DOCUMENT,
        language_id="",
        version=0,
        text=prefix + suffix,
        offset=len(prefix),
    )
