"""Files that describe a tokenizer are read, or refused with the reason."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lsp_server.errors import ModelIntegrityError, UnsupportedModelError
from lsp_server.prompt.tokenizer import FastTokenizer

WriteFile = Callable[[object], Path]


@pytest.fixture
def write_file(tmp_path: Path) -> WriteFile:
    """Write a folder whose ``tokenizer.json`` holds a given value."""

    def write(value: object) -> Path:
        (tmp_path / "tokenizer.json").write_text(json.dumps(value), encoding="utf-8")
        return tmp_path

    return write


@pytest.fixture
def byte_level_json(starter_folder: Path) -> dict[str, Any]:
    """The shipped definition, ready to be broken, with single bytes only."""
    text = (starter_folder / "tokenizer.json").read_text(encoding="utf-8")
    definition: dict[str, Any] = json.loads(text)
    vocabulary = definition["model"]["vocab"]
    definition["model"]["vocab"] = {k: v for k, v in vocabulary.items() if len(k) == 1}
    definition["model"]["merges"] = []
    definition["added_tokens"] = []
    return definition


def test_a_token_outside_of_the_byte_alphabet_is_its_own_text(
    byte_level_json: dict[str, Any],
    write_file: WriteFile,
) -> None:
    """A name in the vocabulary that is no row of bytes decodes to itself."""
    byte_level_json["model"]["vocab"]["a b\u4e2d"] = 300
    tokenizer = FastTokenizer(write_file(byte_level_json))
    assert "a b\u4e2d" == tokenizer.decode([300])


def test_a_metaspace_pre_tokenizer_adds_no_space_either(
    byte_level_json: dict[str, Any],
    write_file: WriteFile,
) -> None:
    """Newer SentencePiece files put the space in front in another place.

    They have no bytes to fall back on, and an added name is text like any other.
    """
    metaspace = {
        "type": "Metaspace",
        "replacement": "\u2581",
        "prepend_scheme": "always",
        "split": False,
    }
    vocabulary = {char: at for at, char in enumerate("\u2581def")}
    byte_level_json |= {
        "normalizer": None,
        "pre_tokenizer": metaspace,
        "decoder": metaspace,
        "model": {"type": "BPE", "vocab": vocabulary, "merges": []},
    }
    tokenizer = FastTokenizer(write_file(byte_level_json))
    assert (1, 2, 3) == tokenizer.encode("def")
    assert (1, 0, 2) == tokenizer.encode("d e")
    assert " fed" == tokenizer.decode([0, 3, 2, 1])


def test_unknown_characters_do_not_become_reserved_tokens(
    byte_level_json: dict[str, Any],
    write_file: WriteFile,
) -> None:
    """A character that the model cannot read is left out, not made `<unk>`."""
    del byte_level_json["model"]["vocab"]["x"]
    byte_level_json["model"]["vocab"]["<unk>"] = 300
    byte_level_json["model"] |= {"unk_token": "<unk>"}
    byte_level_json["added_tokens"] = [_added(300, "<unk>")]
    tokenizer = FastTokenizer(write_file(byte_level_json))
    assert "ab" == tokenizer.decode(tokenizer.encode("axb"))


def _added(token_id: int, content: str) -> dict[str, object]:
    return {
        "id": token_id,
        "content": content,
        "single_word": False,
        "lstrip": False,
        "rstrip": False,
        "normalized": False,
        "special": True,
    }


@pytest.mark.parametrize(
    ("key", "value", "what"),
    [
        ("model", None, "no usable 'model'"),
        ("added_tokens", None, "no usable 'added_tokens'"),
        ("added_tokens", ["x"], "not an object"),
        ("added_tokens", [{"id": "1"}], "no usable 'id'"),
        ("model", {"type": "BPE", "vocab": {"a": "b"}, "merges": []}, "number"),
        ("normalizer", {"type": "Nonsense"}, "refuses"),
    ],
)
def test_damaged_definitions_are_reported(
    byte_level_json: dict[str, Any],
    write_file: WriteFile,
    key: str,
    value: object,
    what: str,
) -> None:
    """A file that is not what it should be is called damaged, with what is wrong."""
    byte_level_json[key] = value
    with pytest.raises(ModelIntegrityError, match=what):
        FastTokenizer(write_file(byte_level_json))


@pytest.mark.parametrize(
    ("key", "value", "what"),
    [
        ("model", {"type": "Unigram", "vocab": []}, "byte-pair"),
        ("decoder", {"type": "WordPiece"}, "byte-level nor metaspace"),
        ("decoder", None, "byte-level nor metaspace"),
    ],
)
def test_other_kinds_of_tokenizer_are_refused(
    byte_level_json: dict[str, Any],
    write_file: WriteFile,
    key: str,
    value: object,
    what: str,
) -> None:
    """A tokenizer that cannot be decoded byte by byte is refused, with the reason."""
    byte_level_json[key] = value
    with pytest.raises(UnsupportedModelError, match=what):
        FastTokenizer(write_file(byte_level_json))


@pytest.mark.parametrize("content", ["", "{", "[]"])
def test_unreadable_definitions_are_reported(tmp_path: Path, content: str) -> None:
    """A file that is no JSON object is called damaged."""
    (tmp_path / "tokenizer.json").write_text(content, encoding="utf-8")
    with pytest.raises(ModelIntegrityError):
        FastTokenizer(tmp_path)


def test_a_missing_definition_is_reported(tmp_path: Path) -> None:
    """A folder without a tokenizer is called damaged."""
    with pytest.raises(ModelIntegrityError, match="cannot be read"):
        FastTokenizer(tmp_path)
