"""What a generation must begin with, in the tokens that may spell it."""

from dataclasses import dataclass

__all__ = ["Hold", "HoldStep"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldStep:
    """The tokens that may come next while a held text is not spelt whole.

    Attributes:
        finishing: Tokens that spell the rest of it, and perhaps more: a bit for each
            token, token 0 the lowest bit of the first byte.
        going_on: Tokens that spell a part of the rest, each with the number of the
            step that comes then.
    """

    finishing: bytes
    going_on: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """What a generation must begin with: text that was typed, but is not in the prompt.

    Attributes:
        text: The text.
        typed_ids: Its tokens when it is encoded by itself.
        steps: Which tokens may come; the first step is the first token's.
    """

    text: str
    typed_ids: tuple[int, ...]
    steps: tuple[HoldStep, ...]
