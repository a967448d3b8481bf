"""manifest.json is read strictly and written whole."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lsp_server.errors import (
    ModelError,
    ModelIntegrityError,
    ModelNotFoundError,
    UnsafeModelError,
    UnsupportedModelError,
)
from lsp_server.modelstore.manifest import (
    ConfidenceLevels,
    FileEntry,
    Manifest,
    Quantisation,
    load_manifest,
    write_manifest,
)

Raw: TypeAlias = dict[str, object]
EditJson: TypeAlias = Callable[[Path, Callable[[Raw], object]], None]


def test_reads_what_was_written(model_folder: Path) -> None:
    """A manifest comes back as it went in."""
    manifest = load_manifest(model_folder)
    assert manifest.name == "tiny"
    assert manifest.quantisation is not None
    assert manifest.quantisation.group_size == 64
    assert {"config.json", "model.safetensors", "tokenizer.json"} == set(manifest.files)
    assert ((), True) == (manifest.off_by_default, manifest.comment_snippets)
    unquantised = replace(
        manifest,
        quantisation=None,
        off_by_default=("context.enabled",),
        comment_snippets=False,
    )
    write_manifest(model_folder, unquantised)
    assert unquantised == load_manifest(model_folder)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    licence=st.text(max_size=20),
    bits=st.integers(),
    names=st.sets(st.from_regex(r"[a-z][a-z0-9_-]{0,8}(/[a-z]{1,4})?", fullmatch=True)),
    size=st.integers(min_value=0),
)
def test_every_manifest_comes_back(
    model_folder: Path, licence: str, bits: int, names: set[str], size: int
) -> None:
    """Any text, number and list of files survives the round trip."""
    manifest = load_manifest(model_folder)
    changed = replace(
        manifest,
        licence=licence,
        quantisation=Quantisation(
            method="gptq",
            bits=bits,
            group_size=-1,
            sym=False,
            desc_act=True,
            tool=licence,
        ),
        files={
            **manifest.files,
            **{name: FileEntry(sha256="a" * 64, bytes=size) for name in names},
        },
        confidence={"go": ConfidenceLevels(low=0.9, normal=0.9, high=0)},
    )
    write_manifest(model_folder, changed)
    assert changed == load_manifest(model_folder)
    write_manifest(model_folder, manifest)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m.pop("family"), "'family' is missing"),
        (lambda m: m.update(colour=1), "'colour' is unknown"),
        (lambda m: m.update(comment_snippets=1), "'comment_snippets' is not true"),
        (lambda m: m.update(off_by_default="x"), "'off_by_default' is not a list"),
        (lambda m: m.update(name=""), "'name' is not a plain name"),
        (lambda m: m.update(name="a/b"), "'name' is not a plain na"),
        (lambda m: m.update(name="a\n"), "'name' is not a plain"),
        (lambda m: m.update(context_length="2"), "'context_length' is not a whole n"),
        (lambda m: m.update(context_length=0), "'context_length' is not a positive"),
        (lambda m: m.update(parameters=-1), "'parameters' is not a positive"),
        (lambda m: m.update(dtype="float32"), "'dtype' is not one of bfloat16"),
        (lambda m: m["quantisation"].update(sym=1), "'quantisation.sym' is not true"),
        (lambda m: m["provenance"].update(date="31.1.2026"), "date' is not a day as"),
        (lambda m: m["provenance"].update(date="20260131"), "date' is not a day"),
        (lambda m: m["provenance"].update(source_sha256="A" * 64), "56' is not 64"),
        (lambda m: m["files"].pop("config.json"), "config.json is missing"),
        (lambda m: m["files"].pop("model.safetensors"), "there are no weights"),
        (lambda m: m["files"].pop("tokenizer.json"), "'tokenizer' is not one of"),
        (lambda m: _file(m).update(bytes=-1), "'files.config.json.bytes' is not zero"),
        (lambda m: _file(m).update(sha256="0"), "files.config.json.sha256' is not 64"),
        (lambda m: m["files"].update({"manifest.json": _file(m)}), "'files' is not f"),
        (lambda m: _levels(m, 0.5, 0.6, 0.1), "'confidence.go' is not falling"),
        (lambda m: _levels(m, 1.5, 0.6, 0.1), "'confidence.go.low' is not"),
        (lambda m: m.pop("format"), "'format' is missing"),
        (lambda m: m.update(format="1"), "'format' is missing, or not a whole"),
    ],
)
def test_names_the_key_that_is_wrong(
    model_folder: Path,
    edit_json: EditJson,
    change: Callable[[Raw], object],
    message: str,
) -> None:
    """Each key that is unknown, missing or wrong is named, and where it stands."""
    path = model_folder / "manifest.json"
    edit_json(path, change)
    with pytest.raises(ModelIntegrityError, match=message) as caught:
        load_manifest(model_folder)
    assert str(path) == caught.value.subject


def _levels(raw: Raw, low: float, normal: float, high: float) -> None:
    raw["confidence"] = {"go": {"low": low, "normal": normal, "high": high}}


def _file(raw: Any) -> Any:  # noqa: ANN401 - decoded JSON
    return raw["files"]["config.json"]


@pytest.mark.parametrize("name", ["../x.json", "/x.json"])
def test_a_file_outside_of_the_folder_is_refused(
    model_folder: Path, edit_json: EditJson, name: str
) -> None:
    """Such a manifest is not damaged, but unsafe."""
    change = lambda m: m["files"].update({name: _file(m)})  # noqa: E731 - as above
    edit_json(model_folder / "manifest.json", change)
    with pytest.raises(UnsafeModelError, match=f"'{name}', which lies outside"):
        load_manifest(model_folder)


def test_a_later_format_is_reported(model_folder: Path, edit_json: EditJson) -> None:
    """The remedy is a later Midfill, not another download."""
    edit_json(model_folder / "manifest.json", lambda m: m.update(format=2))
    with pytest.raises(UnsupportedModelError, match="format 2"):
        load_manifest(model_folder)


@pytest.mark.parametrize("content", ["", "[]", "4", "null", "{", '{"format": 1}'])
def test_refuses_what_is_no_manifest(model_folder: Path, content: str) -> None:
    """A file that is not JSON, or not an object, is damaged."""
    (model_folder / "manifest.json").write_text(content)
    with pytest.raises(ModelIntegrityError):
        load_manifest(model_folder)


def test_reports_a_missing_folder_from_a_missing_manifest(tmp_path: Path) -> None:
    """Both are not found; the message says which."""
    with pytest.raises(ModelNotFoundError, match="no such model folder"):
        load_manifest(tmp_path / "missing")
    with pytest.raises(ModelNotFoundError, match="has no manifest"):
        load_manifest(tmp_path)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda m: replace(m, context_length=0), ModelIntegrityError),
        (
            lambda m: replace(m, files={"../x": FileEntry(sha256="0" * 64, bytes=1)}),
            UnsafeModelError,
        ),
    ],
)
def test_writes_nothing_that_it_would_not_read(
    model_folder: Path, change: Callable[[Manifest], Manifest], error: type[ModelError]
) -> None:
    """A wrong manifest is refused, and the old one stays."""
    manifest = load_manifest(model_folder)
    wrong = change(manifest)
    with pytest.raises(error):
        write_manifest(model_folder, wrong)
    assert manifest == load_manifest(model_folder)


def test_the_file_is_for_people_too(model_folder: Path) -> None:
    """The format comes first, and every line holds one thing."""
    lines = (model_folder / "manifest.json").read_text(encoding="utf-8").splitlines()
    assert ["{", '  "format": 1,', '  "name": "tiny",'] == lines[:3]
    assert "Apache-2.0" == json.loads("\n".join(lines))["licence"]
