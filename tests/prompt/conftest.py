"""Tokenizers for the prompt tests: the shipped one, and small ones of other shapes."""

import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
)

from lsp_server.config import SHIPPED_MODEL
from lsp_server.modelstore.locate import shipped_models
from lsp_server.prompt.tokenizer import FastTokenizer

sys.path.insert(0, str(Path(__file__).parents[1] / "servers"))

MakeTokenizer = Callable[[Iterable[str]], FastTokenizer]

_STARTER = shipped_models()[SHIPPED_MODEL]
_UNKNOWN = "<unk>"
_QWEN_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


@pytest.fixture(scope="session")
def starter_folder() -> Path:
    """The folder of the shipped model."""
    return _STARTER


@pytest.fixture(scope="session")
def starter_tokenizer(starter_folder: Path) -> FastTokenizer:
    """The shipped model's tokenizer."""
    return FastTokenizer(starter_folder)


@pytest.fixture(scope="session")
def byte_level_tokenizer(tmp_path_factory: pytest.TempPathFactory) -> MakeTokenizer:
    """Make a tokenizer as Qwen's: byte-level, sentinels added but not special."""

    def make(added: Iterable[str]) -> FastTokenizer:
        alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
        vocabulary = {char: at for at, char in enumerate(alphabet)}
        tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
        tokenizer.normalizer = normalizers.NFC()
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(Regex(_QWEN_SPLIT), "isolated"),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        )
        tokenizer.decoder = decoders.ByteLevel()
        tokenizer.add_tokens(
            [AddedToken(token, special=False, normalized=False) for token in added]
        )
        folder = tmp_path_factory.mktemp("model")
        tokenizer.save(str(folder / "tokenizer.json"))
        return FastTokenizer(folder)

    return make


@pytest.fixture(scope="session")
def metaspace_tokenizer(tmp_path_factory: pytest.TempPathFactory) -> MakeTokenizer:
    """Make a tokenizer as CodeLlama's: SentencePiece, sentinels in the vocabulary."""

    def make(added: Iterable[str]) -> FastTokenizer:
        pieces = [_UNKNOWN, *added]
        pieces += [f"<0x{byte:02X}>" for byte in range(256)]
        pieces += [chr(at) for at in range(0x21, 0x7F)]
        pieces += ["\u2581", "\u2581\u2581", "de", "def", "\u2581def"]
        vocabulary = {piece: at for at, piece in enumerate(pieces)}
        merges = [
            ("\u2581", "\u2581"),
            ("d", "e"),
            ("de", "f"),
            ("\u2581", "def"),
        ]
        model = models.BPE(
            vocab=vocabulary,
            merges=merges,
            unk_token=_UNKNOWN,
            fuse_unk=True,
            byte_fallback=True,
        )
        tokenizer = Tokenizer(model)
        tokenizer.normalizer = normalizers.Sequence(
            [normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")]
        )
        tokenizer.decoder = decoders.Sequence(
            [
                decoders.Replace("\u2581", " "),
                decoders.ByteFallback(),
                decoders.Fuse(),
                decoders.Strip(" ", 1, 0),
            ]
        )
        special = [AddedToken(token, normalized=False) for token in [_UNKNOWN, *added]]
        tokenizer.add_special_tokens(special)
        folder = tmp_path_factory.mktemp("model")
        tokenizer.save(str(folder / "tokenizer.json"))
        return FastTokenizer(folder)

    return make
