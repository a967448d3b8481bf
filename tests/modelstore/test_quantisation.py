"""What vLLM cannot run is refused with the reason, before vLLM sees it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Literal, TypeAlias

import pytest

from lsp_server.errors import ModelError, ModelIntegrityError, UnsupportedModelError
from lsp_server.modelstore.manifest import check_quantisation, load_manifest

Raw: TypeAlias = dict[str, object]
EditJson: TypeAlias = Callable[[Path, Callable[[Raw], object]], None]


def change_both(folder: Path, edit_json: EditJson, key: str, value: object) -> None:
    """Set a key of the quantisation in manifest and config alike."""
    config_key = {"method": "quant_method"}.get(key, key)
    edit_json(folder / "manifest.json", lambda m: _inner(m, "quantisation", key, value))
    edit_json(
        folder / "config.json",
        lambda c: _inner(c, "quantization_config", config_key, value),
    )


def _inner(raw: Raw, section: str, key: str, value: object) -> None:
    inner = raw[section]
    assert isinstance(inner, dict)
    inner[key] = value


@pytest.mark.parametrize(
    ("change", "device", "reason"),
    [
        (("group_size", 64), "cpu", None),
        (("group_size", 128), "cpu", None),
        (("group_size", 32), "cuda", None),
        (("group_size", -1), "cuda", None),
        (("group_size", 16), "cuda", "group size 16"),
        (("group_size", 0), "cpu", "group size 0"),
        (("bits", 8), "cuda", None),
        (("bits", 8), "cpu", "8 bits cannot run on cpu"),
        (("bits", 3), "cuda", "3 bits cannot run on cuda"),
        (("sym", False), "cuda", "asymmetric"),
        (("desc_act", True), "cpu", "desc_act"),
        (("method", "awq"), "cuda", "'awq' is not gptq"),
    ],
)
def test_knows_what_runs_where(
    model_folder: Path,
    edit_json: EditJson,
    change: tuple[str, object],
    device: Literal["cpu", "cuda"],
    reason: str | None,
) -> None:
    """Each kind of quantisation passes or is refused as vLLM's kernels demand."""
    change_both(model_folder, edit_json, *change)
    manifest = load_manifest(model_folder)
    if reason is None:
        check_quantisation(model_folder, manifest, device=device)
        return
    with pytest.raises(UnsupportedModelError, match=reason):
        check_quantisation(model_folder, manifest, device=device)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: _inner(c, "quantization_config", "bits", 8), "bits is 8"),
        (lambda c: c["quantization_config"].pop("sym"), "sym is null"),
        (lambda c: c.pop("quantization_config"), "no quantization_config"),
        (lambda c: c.update(architectures=["Other"]), "architecture is not Llama"),
        (lambda c: c.pop("architectures"), "its architecture is not"),
    ],
)
def test_manifest_and_config_must_agree(
    model_folder: Path,
    edit_json: EditJson,
    change: Callable[[Raw], object],
    message: str,
) -> None:
    """vLLM reads config.json, so a manifest that says otherwise is worth nothing."""
    edit_json(model_folder / "config.json", change)
    with pytest.raises(ModelIntegrityError, match=message):
        check_quantisation(model_folder, load_manifest(model_folder), device="cpu")


def test_sixteen_bit_weights_need_no_kernel(
    model_folder: Path, edit_json: EditJson
) -> None:
    """A model that is not quantised passes, if its config says the same."""
    manifest = replace(load_manifest(model_folder), quantisation=None)
    with pytest.raises(ModelIntegrityError, match="which the manifest denies"):
        check_quantisation(model_folder, manifest, device="cpu")
    edit_json(model_folder / "config.json", lambda c: c.pop("quantization_config"))
    check_quantisation(model_folder, manifest, device="cpu")


def test_a_config_that_is_no_object_is_refused(model_folder: Path) -> None:
    """A list in config.json is an error of the model, not a crash."""
    (model_folder / "config.json").write_text("[]")
    with pytest.raises(ModelError, match="not an object"):
        check_quantisation(model_folder, load_manifest(model_folder), device="cpu")
