"""A model folder, verified and read: everything about a model but its weights."""

from dataclasses import dataclass
from pathlib import Path

from lsp_server.config import Device
from lsp_server.modelstore.compatibility import check_quantisation
from lsp_server.modelstore.locate import locate
from lsp_server.modelstore.manifest import Manifest, load_manifest
from lsp_server.modelstore.verify import require_digest, verify
from lsp_server.prompt.families import find_family
from lsp_server.prompt.fim import FimFamily
from lsp_server.prompt.selfcheck import resolve_family
from lsp_server.prompt.tokenizer import FastTokenizer

__all__ = ["LoadedModel", "load_model"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedModel:
    """What the server knows of a model before an engine loads it.

    Attributes:
        folder: The model's files, verified against the manifest.
        manifest: What the folder says of itself.
        family: The FIM family that the manifest names.
        tokenizer: The model's tokenizer.
    """

    folder: Path
    manifest: Manifest
    family: FimFamily
    tokenizer: FastTokenizer


def load_model(
    path_or_name: str,
    device: Device,
    *,
    pulled: Path | None = None,
    sha256: str = "",
) -> LoadedModel:
    """Find a model, verify every file of it, and check that it can fill in the middle.

    Reads every byte of the folder, so run it off the event loop.

    Args:
        path_or_name: A shipped or pulled model's name, or a folder.
        device: CPU or CUDA, where it shall run: kernels differ in what they accept.
        pulled: The folder of pulled models; None where there is none.
        sha256: What its manifest has to hash to; empty accepts any.

    Raises:
        ModelError: It is missing, damaged, unsafe, or not of use here.
    """
    folder = locate(path_or_name, pulled=pulled)
    manifest = load_manifest(folder)
    if sha256:
        require_digest(folder, sha256)
    verify(folder, manifest)
    check_quantisation(
        folder, manifest, device="cuda" if device is Device.CUDA else "cpu"
    )
    family = find_family(manifest.family)
    tokenizer = FastTokenizer(folder)
    resolve_family(tokenizer, family)
    return LoadedModel(
        folder=folder, manifest=manifest, family=family, tokenizer=tokenizer
    )
