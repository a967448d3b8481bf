"""Reads a ``tokenizer.json`` and makes a plain-text tokenizer of it.

The file describes a tokenizer that turns ``<|fim_prefix|>`` in a text into the
sentinel. For source code that is wrong: a file that speaks of sentinels (this one)
must not steer the model. So the plain definition has the reserved tokens taken out,
from the added tokens as well as from the vocabulary, and nothing that puts tokens or
spaces in front.

Source: the serialised form that the ``tokenizers`` library reads and writes.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias, TypeVar

from lsp_server.errors import ModelIntegrityError, UnsupportedModelError

__all__ = ["AddedToken", "TokenizerDefinition"]

JsonObject: TypeAlias = Mapping[str, object]
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class AddedToken:
    """A token that stands beside the vocabulary.

    Attributes:
        token_id: Its id.
        content: Its name, and the text that it would otherwise stand for.
        special: Whether the file marks it as special; Qwen's FIM sentinels are not.
    """

    token_id: int
    content: str
    special: bool

    @property
    def is_plain_text(self) -> bool:
        """Whether it is code like any other: a run of blanks, or one character.

        Gemma keeps runs of newlines here and DeepSeek-Coder a few letters. Without
        them their code would be split in ways that the model never saw. Everything
        else is reserved, marked special or not.
        """
        return not self.special and (
            len(self.content) == 1 or not self.content.strip(" \t\n\u2581")
        )


class TokenizerDefinition:
    """One ``tokenizer.json``, read and checked for what Midfill needs of it."""

    def __init__(self, path: Path) -> None:
        """Read the file.

        Raises:
            ModelIntegrityError: The file is missing or not a tokenizer's JSON.
            UnsupportedModelError: It is a kind of tokenizer that Midfill cannot use.
        """
        self._subject = str(path)
        self._raw = self._read(path)
        self._model = self._member(self._raw, "model", dict)
        self.vocabulary: Mapping[str, int] = self._read_vocabulary()
        self.added_tokens = tuple(self._read_added_tokens())
        self.byte_level = self._has_component("decoder", "ByteLevel")
        if not self.byte_level and not self._decodes_metaspace():
            raise self._unsupported("its decoder is neither byte-level nor metaspace")

    @property
    def reserved(self) -> tuple[AddedToken, ...]:
        """The added tokens that no text may ever become."""
        return tuple(token for token in self.added_tokens if not token.is_plain_text)

    @property
    def byte_fallback(self) -> bool:
        """Whether ``<0x0A>`` in the vocabulary is the byte 10."""
        return self._model.get("byte_fallback") is True

    def plain(self) -> str:
        """Give the definition of the plain-text tokenizer, as JSON."""
        taken = {token.content for token in self.reserved}
        # The model needs its own unknown token; the tokenizer drops it from results.
        unknown = self._model.get("unk_token")
        taken.discard(unknown if isinstance(unknown, str) else "")
        kept = [token for token in self.added_tokens if token.is_plain_text]
        vocabulary = {k: v for k, v in self.vocabulary.items() if k not in taken}
        # In the vocabulary a kept token has its own id; beside it, it would get the
        # next free one.
        vocabulary |= {token.content: token.token_id for token in kept}
        model = {
            **self._model,
            "vocab": vocabulary,
            "merges": [
                (left, right)
                for left, right in self._merges()
                if taken.isdisjoint((left, right, left + right))
            ],
        }
        raw_added = self._member(self._raw, "added_tokens", list)
        plain_contents = {token.content for token in kept}
        added = [entry for entry in raw_added if entry["content"] in plain_contents]
        return json.dumps(
            {
                **self._raw,
                "truncation": None,
                "padding": None,
                "post_processor": None,
                "normalizer": _without_leading_space(self._raw.get("normalizer")),
                "pre_tokenizer": _without_leading_space(self._raw.get("pre_tokenizer")),
                "added_tokens": added,
                "model": model,
            },
        )

    def _read(self, path: Path) -> JsonObject:
        try:
            raw = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as exc:
            raise ModelIntegrityError(
                "the tokenizer cannot be read",
                subject=self._subject,
                remedy="fetch the model again",
            ) from exc
        if not isinstance(raw, dict):
            raise self._damaged("is not a JSON object")
        return raw

    def _read_vocabulary(self) -> dict[str, int]:
        if self._model.get("type") != "BPE":
            raise self._unsupported("only byte-pair encodings are supported")
        vocabulary: dict[str, int] = self._member(self._model, "vocab", dict)
        if not all(isinstance(token_id, int) for token_id in vocabulary.values()):
            raise self._damaged("has a token without a number")
        return vocabulary

    def _read_added_tokens(self) -> Iterator[AddedToken]:
        for entry in self._member(self._raw, "added_tokens", list):
            if not isinstance(entry, dict):
                raise self._damaged("has an added token that is not an object")
            yield AddedToken(
                token_id=self._member(entry, "id", int),
                content=self._member(entry, "content", str),
                special=self._member(entry, "special", bool),
            )

    def _merges(self) -> Iterator[tuple[str, str]]:
        """Give each merge as a pair; older files join the two by a space."""
        for merge in self._member(self._model, "merges", list):
            left, right = merge.split(" ", 1) if isinstance(merge, str) else merge
            yield left, right

    def _decodes_metaspace(self) -> bool:
        return self._has_component("decoder", "Metaspace") or (
            self._has_component("decoder", "Replace")
            and self._has_component("decoder", "Fuse")
        )

    def _has_component(self, key: str, kind: str) -> bool:
        return any(part.get("type") == kind for part in _components(self._raw.get(key)))

    def _member(self, holder: JsonObject, key: str, kind: type[_T]) -> _T:
        value = holder.get(key)
        if not isinstance(value, kind):
            raise self._damaged(f"has no usable {key!r}")
        return value

    def _damaged(self, what: str) -> ModelIntegrityError:
        return ModelIntegrityError(
            f"the tokenizer {what}",
            subject=self._subject,
            remedy="fetch the model again",
        )

    def _unsupported(self, what: str) -> UnsupportedModelError:
        return UnsupportedModelError(
            f"the tokenizer does not fit: {what}",
            subject=self._subject,
            remedy="choose a model of a family that Midfill knows",
        )


def _components(part: object) -> Iterator[JsonObject]:
    """Give a component and, of a sequence, every component within."""
    if not isinstance(part, dict):
        return
    yield part
    for key in ("decoders", "normalizers", "pretokenizers"):
        for inner in part.get(key, ()):
            yield from _components(inner)


def _without_leading_space(part: object) -> object:
    """Drop what would put a space in front of each encoded piece of a file."""
    if not isinstance(part, dict):
        return part
    if part.get("type") == "Prepend":
        return None
    changed = dict(part)
    for key in ("normalizers", "pretokenizers"):
        if key in changed:
            inner = map(_without_leading_space, changed[key])
            changed[key] = [each for each in inner if each is not None]
    if "add_prefix_space" in changed:
        changed["add_prefix_space"] = False
    if "prepend_scheme" in changed:
        changed["prepend_scheme"] = "never"
    return changed
