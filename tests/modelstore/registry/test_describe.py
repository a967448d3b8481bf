"""A folder is described from its own config, and the registry for the rest."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import pytest

from lsp_server.errors import ModelIntegrityError, PullError
from lsp_server.modelstore.registry.catalogue import Entry
from lsp_server.modelstore.registry.describe import describe, drop_chat_template
from lsp_server.modelstore.registry.listing import Listing, RemoteFile

MakeEntry: TypeAlias = Callable[..., Entry]


def listing_of(**digests: str) -> Listing:
    """List weights by their stem."""
    files = tuple(
        RemoteFile(
            name=f"{stem}.safetensors", address="", bytes=1, digest=f"sha256:{digest}"
        )
        for stem, digest in digests.items()
    )
    return Listing(source="https://hub.example/a/b", revision="r", files=files)


@pytest.fixture
def checkpoint(tmp_path: Path, repository: dict[str, bytes]) -> Path:
    """Return a folder of the small files."""
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    for name, content in repository.items():
        (folder / name).write_bytes(content)
    return folder


def edit(folder: Path, **changes: object) -> None:
    """Change the checkpoint's config.json."""
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_several_weights_hash_as_sha256sum_lists_them(
    checkpoint: Path, make_entry: MakeEntry
) -> None:
    """In the order of their names."""
    manifest = describe(checkpoint, "x", make_entry(), listing_of(b="22", a="11"))
    lines = b"11  a.safetensors\n22  b.safetensors\n"
    assert hashlib.sha256(lines).hexdigest() == manifest.provenance.source_sha256


@pytest.mark.parametrize(
    ("config", "found"),
    [
        ({"max_position_embeddings": 512}, {"context_length": 512}),
        ({"max_position_embeddings": 99_999}, {"context_length": 1024}),
        ({"max_position_embeddings": None}, {"context_length": 1024}),
        ({"max_position_embeddings": "9"}, {"context_length": 1024}),
        ({"torch_dtype": "bfloat16"}, {"dtype": "bfloat16"}),
        ({"dtype": "bfloat16", "torch_dtype": "float16"}, {"dtype": "bfloat16"}),
    ],
)
def test_the_config_describes_the_model(
    checkpoint: Path,
    make_entry: MakeEntry,
    config: dict[str, object],
    found: dict[str, object],
) -> None:
    """The shorter context counts, and the name that transformers 5 gives the type."""
    edit(checkpoint, **config)
    manifest = describe(checkpoint, "x", make_entry(), listing_of(a="1"))
    assert found == {key: getattr(manifest, key) for key in found}


@pytest.mark.parametrize(
    ("meta", "tool"),
    [
        ({"quantizer": "gptqmodel:1"}, "gptqmodel:1"),
        ({"quantizer": ["gptqmodel:2", "x"]}, "gptqmodel:2"),
        ({}, "not stated by the source"),
        (None, "not stated by the source"),
    ],
)
def test_the_quantiser_is_named_where_it_is_stated(
    checkpoint: Path, make_entry: MakeEntry, meta: object, tool: str
) -> None:
    """As gptqmodel writes it."""
    inner = json.loads((checkpoint / "config.json").read_text())["quantization_config"]
    edit(checkpoint, quantization_config=inner | {"meta": meta})
    manifest = describe(checkpoint, "x", make_entry(), listing_of(a="1"))
    assert manifest.quantisation is not None
    assert tool == manifest.quantisation.tool


def test_without_registry_or_manifest_nothing_is_guessed(
    checkpoint: Path, make_entry: MakeEntry
) -> None:
    """The family is in no checkpoint."""
    for entry in (None, replace(make_entry(), checkpoint=None)):
        with pytest.raises(PullError, match="of which family"):
            describe(checkpoint, "x", entry, listing_of(a="1"))


def test_a_config_that_is_no_object_is_reported(
    checkpoint: Path, make_entry: MakeEntry
) -> None:
    """It is damaged."""
    (checkpoint / "config.json").write_text("[]")
    with pytest.raises(ModelIntegrityError, match="not an object"):
        describe(checkpoint, "x", make_entry(), listing_of(a="1"))


def test_the_chat_template_is_dropped(tmp_path: Path) -> None:
    """All else stays; no settings are fine, but not a list."""
    path = tmp_path / "tokenizer_config.json"
    drop_chat_template(tmp_path)
    for content in ('{"chat_template": "x", "a": 1}', '{"a": 1}'):
        path.write_text(content)
        drop_chat_template(tmp_path)
        assert {"a": 1} == json.loads(path.read_text())
    path.write_text("[]")
    with pytest.raises(ModelIntegrityError, match="not an object"):
        drop_chat_template(tmp_path)
