"""Token healing: lets the model generate the last token of the typed text itself.

A model reads code in tokens, and a token need not end where the user pauses:
``return tot`` is ``return``, `` t``, ``ot``, but ``return total`` is ``return``,
`` total``. After `` t``, ``ot`` the model has to continue something that it has hardly
ever read. The same happens behind a dot (``.append`` is one token), a blank (`` total``
includes it), an open bracket or quote, in a number, an operator or an indentation.

So the prompt ends where the tokens are final whatever is typed next. The text from
there to the cursor is held: the generation must begin with it. Allowed are the tokens
that the held text has by itself, and those that it has when more text follows. No
other token is, because the model never saw one end there.

Sources: "token healing" in guidance-ai/guidance for the idea; which tokens are allowed
was chosen by measurement, ``benchmarks/results/README.md``.
"""

from lsp_server.prompt.tokenizer import Tokenizer
from lsp_server.text import is_word_char
from lsp_server.values import Hold, HoldStep, Snapshot

__all__ = ["held_at"]

_MAX_LINE_CHARS = 256
"""How much of the line left of the cursor is read; hardly any word is longer."""

_MAX_HELD_TOKENS = 8
"""Of a longer run of letters, such as a Chinese sentence, only the end is held."""

_OPENING = "([{"

_CONTINUATIONS = ("a", "s", "A", "_", "1", " ", " a", "=", "(", ".", '"', "\n")
"""One text of each kind that may come next, which decides the held text's tokens."""


def held_at(
    snapshot: Snapshot, tokenizer: Tokenizer, *, is_marked: bool
) -> Hold | None:
    """Return what the generation at the snapshot's cursor must begin with, or None.

    Nothing is held at the start of a line, where the tokens left of the cursor are
    final. Nothing is held inside a word either: a token across the cursor would have to
    hold the rest of the word as well.

    Args:
        snapshot: The document and the cursor.
        tokenizer: The model's tokenizer.
        is_marked: Whether the prompt marks the cursor. Then no opening bracket is held:
            in front of the mark it tells the model to end before the closing one,
            behind it the model closes the bracket itself.
    """
    if is_word_char(snapshot.after[:1]):
        return None
    line = snapshot.line_before[-_MAX_LINE_CHARS:]
    if not line:
        return None
    text = _shortened(line[tokenizer.open_from(line) :], tokenizer)
    if is_marked:
        text = text[max(map(text.rfind, _OPENING)) + 1 :]
    spelt = text.encode("utf-8", errors="replace")
    typed_ids = tokenizer.encode(text)
    # A tokenizer may normalise the text; then no tokens spell it as it stands.
    if not text or b"".join(map(tokenizer.token_bytes, typed_ids)) != spelt:
        return None
    ends = set[int]()
    longer = [text + continuation for continuation in _CONTINUATIONS]
    tokenizer.encode_ahead(longer)
    for each in (text, *longer):
        ends.update(_token_ends(each, tokenizer))
    ends_within = sorted(end for end in ends if end < len(spelt))
    return Hold(
        text=text, typed_ids=typed_ids, steps=_steps(spelt, ends_within, tokenizer)
    )


def _steps(spelt: bytes, ends: list[int], tokenizer: Tokenizer) -> tuple[HoldStep, ...]:
    """Return which tokens are allowed at the start and at each token end within."""
    starts = [0, *ends]
    return tuple(
        HoldStep(
            finishing=tokenizer.starting_with(spelt[start:]),
            going_on=tuple(
                (token_id, number)
                for number, end in enumerate(starts)
                if end > start
                for token_id in tokenizer.spelling(spelt[start:end])
            ),
        )
        for start in starts
    )


def _shortened(text: str, tokenizer: Tokenizer) -> str:
    """Return the end of a text of many tokens, from the start of a character on."""
    ids = tokenizer.encode(text)
    if len(ids) <= _MAX_HELD_TOKENS:
        return text
    kept = b"".join(map(tokenizer.token_bytes, ids[-_MAX_HELD_TOKENS:]))
    return kept.decode("utf-8", errors="ignore")


def _token_ends(text: str, tokenizer: Tokenizer) -> list[int]:
    """Return where each token of ``text`` ends, in bytes."""
    ends: list[int] = []
    for token_id in tokenizer.encode(text):
        ends.append(len(tokenizer.token_bytes(token_id)) + (ends[-1] if ends else 0))
    return ends
