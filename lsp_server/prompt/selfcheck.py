"""Checks at load time that a family's format and a model's tokenizer fit together."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from lsp_server.errors import UnsupportedModelError
from lsp_server.prompt.fim import FimFamily
from lsp_server.prompt.tokenizer import Tokenizer

__all__ = ["ResolvedFamily", "resolve_family"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedFamily:
    """A family with the token ids of its sentinels in one tokenizer.

    Attributes:
        family: The family.
        sentinel_ids: The id of each sentinel, by its name.
        stop_token_ids: The ids that end a completion.
    """

    family: FimFamily
    sentinel_ids: Mapping[str, int]
    stop_token_ids: tuple[int, ...]


def resolve_family(tokenizer: Tokenizer, family: FimFamily) -> ResolvedFamily:
    """Return the family with its token ids, once no text can become one of them.

    That is checked in two ways: every sentinel must be a reserved token, and the text
    of each one is encoded as source code might contain it.

    Raises:
        UnsupportedModelError: The tokenizer lacks a sentinel, has one token for two of
            them, or makes one of text.
    """
    found = {name: tokenizer.token_id(name) for name in family.sentinels}
    missing = [name for name, token_id in found.items() if token_id is None]
    if missing:
        raise UnsupportedModelError(
            f"the tokenizer has no token {', '.join(missing)}, which the family needs",
            subject=f"family {family.name}",
            remedy="choose a model trained to fill in the middle, or correct the "
            "family in its manifest",
        )
    ids = {name: token_id for name, token_id in found.items() if token_id is not None}
    _check_distinct(family, ids)
    _check_reserved(tokenizer, family, ids)
    return ResolvedFamily(
        family=family,
        sentinel_ids=MappingProxyType(ids),
        stop_token_ids=tuple(ids[name] for name in family.stop_tokens),
    )


def _check_distinct(family: FimFamily, ids: Mapping[str, int]) -> None:
    """Check that no two sentinels are one token."""
    names: dict[int, str] = {}
    for name, token_id in ids.items():
        other = names.setdefault(token_id, name)
        if other != name:
            raise UnsupportedModelError(
                f"{other} and {name} are one token, {token_id}",
                subject=f"family {family.name}",
                remedy="correct the tokenizer of the model",
            )


def _check_reserved(
    tokenizer: Tokenizer, family: FimFamily, ids: Mapping[str, int]
) -> None:
    """Check that every sentinel is reserved, and that its text stays text."""
    for name, token_id in ids.items():
        if token_id not in tokenizer.reserved_ids:
            raise UnsupportedModelError(
                f"{name} is an ordinary token, which a source file could contain",
                subject=f"family {family.name}",
                remedy="add it to the added tokens of the model's tokenizer",
            )
        for text in _spellings(name):
            leaked = set(tokenizer.encode(text)).intersection(ids.values())
            if leaked:
                raise UnsupportedModelError(
                    f"text that spells {name} becomes the token itself, so a source "
                    "file could steer the model",
                    subject=f"family {family.name}",
                    remedy="correct the added tokens of the model's tokenizer",
                )


def _spellings(name: str) -> Iterator[str]:
    """Yield a sentinel as code could contain it: alone, in a string, with blanks."""
    for spelling in (name, name.replace("\u2581", " "), name.strip("\u2581")):
        yield spelling
        yield f'x = "{spelling}"\n'
        yield f"{spelling}{spelling}\t{spelling} a{spelling}b"
