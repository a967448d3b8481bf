"""A folder that is unsafe, or not the one that its manifest describes, is refused."""

import json
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from lsp_server.errors import ModelIntegrityError, UnsafeModelError
from lsp_server.modelstore.manifest import Manifest, load_manifest
from lsp_server.modelstore.verify import (
    hash_file,
    refuse_unsafe,
    require_digest,
    verify,
)

DescribeAgain: TypeAlias = Callable[[Path], Manifest]
EditJson: TypeAlias = Callable[[Path, Callable[[dict[str, object]], None]], None]


def test_accepts_the_folder_as_it_was_written(model_folder: Path) -> None:
    """An untouched folder passes."""
    verify(model_folder, load_manifest(model_folder))


def test_requires_the_manifest_that_is_asked_for(model_folder: Path) -> None:
    """By its own hash, in either case of letters; the one that was found is named."""
    found = hash_file(model_folder / "manifest.json")
    require_digest(model_folder, found.upper())
    with pytest.raises(ModelIntegrityError, match=f"another model .* SHA-256 {found}"):
        require_digest(model_folder, "0" * 64)


def _flip_last_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "config.json").unlink(), "config.json: the file is missing"),
        (lambda f: (f / "model.safetensors").unlink(), "is missing"),
        (lambda f: _flip_last_bit(f / "model.safetensors"), "SHA-256"),
        (lambda f: (f / "model.safetensors").write_bytes(b""), "has 0 bytes instead"),
        (lambda f: (f / "extra.json").write_text("{}"), "not in the manifest"),
        (lambda f: (f / "x.safetensors").touch(), "x.safetensors: the file is not in"),
        (
            lambda f: (f / "tokenizer.json").write_text('{"other": 1}'),
            "bytes instead of",
        ),
    ],
)
def test_refuses_a_changed_folder(
    model_folder: Path, damage: Callable[[Path], object], message: str
) -> None:
    """A missing, changed, cut or additional file is named."""
    manifest = load_manifest(model_folder)
    damage(model_folder)
    with pytest.raises(ModelIntegrityError, match=message):
        verify(model_folder, manifest)


def test_refuses_weights_of_another_configuration(
    model_folder: Path, edit_json: EditJson, describe_again: DescribeAgain
) -> None:
    """Whole files with a manifest of their own, but without the tensors to compute."""
    llama = {
        "model_type": "llama",
        "hidden_size": 8,
        "intermediate_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "vocab_size": 32,
        "tie_word_embeddings": False,
    }
    edit_json(model_folder / "config.json", lambda config: config.update(llama))
    with pytest.raises(ModelIntegrityError, match=r"not those of config\.json"):
        verify(model_folder, describe_again(model_folder))


def test_refuses_weights_that_were_cut_before_they_were_described(
    model_folder: Path, describe_again: DescribeAgain
) -> None:
    """A truncated shard with a manifest of its own is still truncated."""
    weights = model_folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-3])
    with pytest.raises(ModelIntegrityError, match="header needs"):
        verify(model_folder, describe_again(model_folder))


def test_refuses_what_is_unsafe_though_it_is_listed(
    model_folder: Path, describe_again: DescribeAgain
) -> None:
    """A matching manifest makes a pickle no safer."""
    manifest = describe_again(model_folder)
    (model_folder / "model.pt").touch()
    with pytest.raises(UnsafeModelError, match="pickle"):
        verify(model_folder, manifest)


@pytest.mark.parametrize(
    ("index", "error", "message"),
    [
        ({"weight_map": {"a.weight": "model.safetensors"}}, None, ""),
        (
            {"weight_map": {"a.weight": "model.safetensors", "c": "model.safetensors"}},
            ModelIntegrityError,
            "names the tensor c, which model.safetensors lacks",
        ),
        ({"weight_map": {"a": "../model.safetensors"}}, UnsafeModelError, "outside"),
        ({"weight_map": {"a": "/model.safetensors"}}, UnsafeModelError, "outside"),
        ({"weight_map": {"a": 4}}, ModelIntegrityError, "not in the manifest"),
        ({"weight_map": {"a": "x.safetensors"}}, ModelIntegrityError, "not in the"),
        ({"weight_map": []}, ModelIntegrityError, "no weight map"),
        ([], ModelIntegrityError, "no weight map"),
    ],
)
def test_checks_where_a_shard_index_leads(
    model_folder: Path,
    describe_again: DescribeAgain,
    index: object,
    error: type[Exception] | None,
    message: str,
) -> None:
    """An index may name the folder's own files, and nothing else."""
    (model_folder / "model.safetensors.index.json").write_text(json.dumps(index))
    manifest = describe_again(model_folder)
    if error is None:
        verify(model_folder, manifest)
        return
    with pytest.raises(error, match=message):
        verify(model_folder, manifest)


def test_reports_a_file_that_cannot_be_hashed(tmp_path: Path) -> None:
    """A file that vanishes while it is checked is an error of the model."""
    with pytest.raises(ModelIntegrityError, match="cannot be read"):
        hash_file(tmp_path / "missing")


def test_lets_a_model_through(model_folder: Path) -> None:
    """Weights, JSON and text are given by name, sorted, subfolders included."""
    (model_folder / "more").mkdir()
    (model_folder / "more" / "NOTICE").touch()
    (model_folder / "README.md").touch()
    expected = (
        "README.md",
        "config.json",
        "manifest.json",
        "model.safetensors",
        "more/NOTICE",
        "tokenizer.json",
    )
    assert expected == refuse_unsafe(model_folder)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("pytorch_model.bin", "pickle"),
        ("model.pt", "pickle"),
        ("model.pth", "pickle"),
        ("model.ckpt", "pickle"),
        ("model.PKL", "pickle"),
        ("weights.npz", "pickle"),
        ("deep/er/model.pickle", "pickle"),
        ("modeling_tiny.py", "is code"),
        ("kernel.so", "is code"),
        ("deep/__init__.py", "is code"),
        ("chat_template.jinja", "chat template"),
        ("chat_template.json", "chat template"),
        ("model.gguf", "of a kind that no model needs"),
        ("x", "of a kind that no model needs"),
        (".env", "of a kind that no model needs"),
    ],
)
def test_refuses_kinds_of_files(model_folder: Path, name: str, message: str) -> None:
    """Pickles, code, chat templates and unknown kinds are refused, at any depth."""
    path = model_folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("{}")
    with pytest.raises(UnsafeModelError, match=message):
        refuse_unsafe(model_folder)


@pytest.mark.parametrize(
    "content",
    [
        {"auto_map": {"AutoModel": "modeling_tiny.Tiny"}},
        {"trust_remote_code": True},
        {"chat_template": "{{ x }}"},
        {"deep": [{"er": {"auto_map": {}}}]},
        [{"trust_remote_code": False}],
    ],
)
@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json", "x.json"])
def test_refuses_code_named_in_json(
    model_folder: Path, name: str, content: object
) -> None:
    """The keys by which a checkpoint brings code are found wherever they are."""
    (model_folder / name).write_text(json.dumps(content))
    with pytest.raises(UnsafeModelError, match="by which a model brings code"):
        refuse_unsafe(model_folder)


@pytest.mark.parametrize("target", ["config.json", "/etc/passwd", "missing", "."])
def test_refuses_symbolic_links(model_folder: Path, target: str) -> None:
    """Links are refused wherever they point, those to folders too."""
    (model_folder / "vocab.json").symlink_to(target)
    with pytest.raises(UnsafeModelError, match="symbolic link"):
        refuse_unsafe(model_folder)


def test_refuses_pipes_and_sockets(model_folder: Path) -> None:
    """What would block a reader for ever is refused before it is opened."""
    os.mkfifo(model_folder / "merges.txt")
    with pytest.raises(UnsafeModelError, match="pipe"):
        refuse_unsafe(model_folder)
    (model_folder / "merges.txt").unlink()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(model_folder / "s.txt"))
        with pytest.raises(UnsafeModelError, match="socket"):
            refuse_unsafe(model_folder)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff\xfe", b"[" * 100_000], ids=lambda x: str(x[:8])
)
def test_refuses_json_that_is_none(model_folder: Path, content: bytes) -> None:
    """A setting that cannot be read could hold anything."""
    (model_folder / "config.json").write_bytes(content)
    with pytest.raises(ModelIntegrityError, match="not JSON"):
        refuse_unsafe(model_folder)


def test_refuses_json_too_large_to_read(model_folder: Path) -> None:
    """A file of many gigabytes is not read into memory."""
    with (model_folder / "x.json").open("wb") as file:
        file.truncate(65 * 1024 * 1024)
    with pytest.raises(ModelIntegrityError, match="larger than"):
        refuse_unsafe(model_folder)


def test_reports_a_missing_folder(tmp_path: Path) -> None:
    """A folder that vanished is an error of the model."""
    with pytest.raises(ModelIntegrityError, match="cannot be listed"):
        refuse_unsafe(tmp_path / "missing")
