"""A folder is the one that its manifest describes, or it is refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from lsp_server.errors import ModelIntegrityError, UnsafeModelError
from lsp_server.modelstore.integrity import hash_file
from lsp_server.modelstore.manifest import Manifest, load_manifest, verify

DescribeAgain: TypeAlias = Callable[[Path], Manifest]


def test_accepts_the_folder_as_it_was_written(model_folder: Path) -> None:
    """An untouched folder passes."""
    verify(model_folder, load_manifest(model_folder))


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
