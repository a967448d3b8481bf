"""Reads a ``tokenizer.json`` and changes it into that of a plain-text tokenizer.

The file describes a tokenizer that turns the text ``<|fim_prefix|>`` into the sentinel.
For source code that is wrong: a file that mentions sentinels, such as this one, must
not steer the model. So the plain-text form lacks the reserved tokens, among the added
tokens as well as in the vocabulary, and adds no tokens or spaces in front.

Source: the serialised form that the ``tokenizers`` library reads and writes.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias, TypeVar

from lsp_server.errors import ModelIntegrityError, UnsupportedModelError

__all__ = ["AddedToken", "TokenizerJson"]

JsonObject: TypeAlias = Mapping[str, object]
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class AddedToken:
    """A token of the file's ``added_tokens``.

    Attributes:
        token_id: Its id.
        content: Its name, which is also the text that the library would turn into it.
        special: Whether the file marks it as special; Qwen's FIM sentinels are not.
    """

    token_id: int
    content: str
    special: bool

    @property
    def is_plain_text(self) -> bool:
        """Whether it is ordinary text: a run of blanks, or one character.

        Gemma has runs of newlines among its added tokens, and DeepSeek-Coder a few
        letters. Without them, code would be split in ways that the model never saw.
        All other added tokens are reserved, marked special or not.
        """
        return not self.special and (
            len(self.content) == 1 or not self.content.strip(" \t\n\u2581")
        )


class TokenizerJson:
    """One ``tokenizer.json``, with what Midfill reads of it checked.

    Attributes:
        vocabulary: The id of each token of the vocabulary, by its name.
        added_tokens: The added tokens.
        byte_level: Whether the vocabulary is in the GPT-2 alphabet of bytes.
    """

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
        """The added tokens that text must never become."""
        return tuple(token for token in self.added_tokens if not token.is_plain_text)

    @property
    def byte_fallback(self) -> bool:
        """Whether ``<0x0A>`` in the vocabulary is the byte 10."""
        return self._model.get("byte_fallback") is True

    def plain_text_json(self) -> str:
        """Return the JSON of the plain-text tokenizer."""
        removed = {token.content for token in self.reserved}
        # The model needs its unknown token; `FastTokenizer` drops it from results.
        unknown = self._model.get("unk_token")
        removed.discard(unknown if isinstance(unknown, str) else "")
        kept = [token for token in self.added_tokens if token.is_plain_text]
        vocabulary = {k: v for k, v in self.vocabulary.items() if k not in removed}
        # Kept tokens go into the vocabulary, where they have their own ids. As added
        # tokens alone they would get the next free ones.
        vocabulary |= {token.content: token.token_id for token in kept}
        model = {
            **self._model,
            "vocab": vocabulary,
            "merges": [
                (left, right)
                for left, right in self._merges()
                if removed.isdisjoint((left, right, left + right))
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
        """Yield each merge as a pair; older files join the two by a space."""
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
    """Yield a component and, of a sequence, every component in it."""
    if not isinstance(part, dict):
        return
    yield part
    for key in ("decoders", "normalizers", "pretokenizers"):
        for inner in part.get(key, ()):
            yield from _components(inner)


def _without_leading_space(part: object) -> object:
    """Return a component without what would add a space before each encoded text."""
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
