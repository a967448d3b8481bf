"""Checks that vLLM can run a model's quantisation, before vLLM tries."""

from pathlib import Path
from typing import Literal

from lsp_server.config import Device
from lsp_server.engine.vllm_build import unsupported_quantisation
from lsp_server.errors import MidfillError, ModelIntegrityError, UnsupportedModelError
from lsp_server.modelstore.json_file import as_written, read_json
from lsp_server.modelstore.values import Manifest

__all__ = ["check_quantisation"]


def check_quantisation(
    folder: Path, manifest: Manifest, *, device: Literal["cpu", "cuda"]
) -> None:
    """Check that the quantisation is one for ``device``, and the config agrees.

    ``config.json`` is what vLLM reads, so it and the manifest must say the same.

    Raises:
        UnsupportedModelError: vLLM has no kernel for it on this device.
        ModelIntegrityError: Manifest and ``config.json`` contradict each other.
    """
    path = folder / "config.json"
    config = read_json(path)
    if not isinstance(config, dict):
        raise _contradiction(path, "it is not an object")
    stated = manifest.quantisation
    raw = config.get("quantization_config")
    if manifest.architecture not in (config.get("architectures") or ()):
        raise _contradiction(path, f"its architecture is not {manifest.architecture}")
    if stated is None:
        if raw is not None:
            raise _contradiction(path, "it is quantised, which the manifest denies")
        return
    if not isinstance(raw, dict):
        raise _contradiction(path, "it has no quantization_config")
    expected = {
        "quant_method": stated.method,
        "bits": stated.bits,
        "group_size": stated.group_size,
        "sym": stated.sym,
        "desc_act": stated.desc_act,
    }
    for key, value in expected.items():
        if key not in raw or raw[key] != value:
            raise _contradiction(
                path,
                f"{key} is {as_written(raw.get(key))}, in the manifest "
                f"{as_written(value)}",
            )
    if reason := unsupported_quantisation(stated, Device(device)):
        raise UnsupportedModelError(
            reason,
            subject=str(folder),
            remedy="Quantise it again: GPTQ, 4 bits, symmetric, group size 64 or 128, "
            "desc_act false",
        )


def _contradiction(path: Path, what: str) -> MidfillError:
    return ModelIntegrityError(
        f"the file does not agree with the manifest: {what}",
        subject=str(path),
        remedy="Fetch the model again, or correct its manifest",
    )
