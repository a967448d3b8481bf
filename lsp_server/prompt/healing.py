"""Token healing: lets the model write the last token of the typed text itself.

Code is read by a model in tokens, and a token does not end where a user pauses:
``return tot`` is ``return``, `` t``, ``ot``, but ``return total`` is ``return``,
`` total``. Behind `` t``, ``ot`` the model has to go on from something that it has
hardly ever read. The same is so behind a dot (``.append`` is one token), behind a blank
(`` total`` has its blank in front), behind an open bracket or quote, in a number, in an
operator and in an indentation.

So the prompt ends where the tokens cannot change any more whatever is typed next, and
what stands between there and the cursor is held: the generation has to spell it first.
It may spell it in the tokens that it has by itself, or in those that it has when
something more comes. That is all: a token that ends anywhere else inside of the held
text is one that the model never saw there.

Sources: the idea is that of "token healing" in guidance-ai/guidance; which tokens may
come was chosen by measurement, ``benchmarks/results/README.md``.
"""

from lsp_server.prompt.tokenizer import Tokenizer
from lsp_server.values import Hold, HoldStep, Snapshot

__all__ = ["held_at"]

_LOOKED_AT_CHARS = 256
"""So much left of the cursor is looked at; a word is hardly ever longer."""

_MOST_HELD_TOKENS = 8
"""Of a longer run of letters, such as a sentence of Chinese, only the end is held."""

_CONTINUATIONS = ("a", "s", "A", "_", "1", " ", " a", "=", "(", ".", '"', "\n")
"""What may come next, a text of each kind. It decides on the held text's tokens."""


def held_at(snapshot: Snapshot, tokenizer: Tokenizer) -> Hold | None:
    """Return what the generation at the snapshot's cursor must begin with.

    None where the tokens left of the cursor are what they are, whatever comes: at the
    start of a line. None, too, inside of a word: a token over the cursor would
    have to hold what stands right of it as well.
    """
    if _is_word(snapshot.after[:1]):
        return None
    line = snapshot.line_before[-_LOOKED_AT_CHARS:]
    if not line:
        return None
    text = _shortened(line[tokenizer.open_from(line) :], tokenizer)
    spelt = text.encode("utf-8", errors="replace")
    typed_ids = tokenizer.encode(text)
    # A tokenizer may normalise the text; the model could not spell it as it stands.
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
    """Return which tokens may come at the start, and behind each of the ends within."""
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
    """Keep the end of a text of many tokens, from the start of a character on."""
    ids = tokenizer.encode(text)
    if len(ids) <= _MOST_HELD_TOKENS:
        return text
    kept = b"".join(map(tokenizer.token_bytes, ids[-_MOST_HELD_TOKENS:]))
    return kept.decode("utf-8", errors="ignore")


def _token_ends(text: str, tokenizer: Tokenizer) -> list[int]:
    """Return where each token of ``text`` ends, in bytes."""
    ends: list[int] = []
    for token_id in tokenizer.encode(text):
        ends.append(len(tokenizer.token_bytes(token_id)) + (ends[-1] if ends else 0))
    return ends


def _is_word(char: str) -> bool:
    return char.isalnum() or char == "_"
