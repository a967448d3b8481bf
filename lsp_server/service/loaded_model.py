"""A model folder, verified and read: everything about a model but its weights."""

from dataclasses import dataclass, replace
from pathlib import Path

from lsp_server.config import Device
from lsp_server.errors import ModelError, ModelIntegrityError
from lsp_server.modelstore.compatibility import check_quantisation
from lsp_server.modelstore.locate import locate, previous_folder
from lsp_server.modelstore.manifest import Manifest, load_manifest
from lsp_server.modelstore.signature import Trust
from lsp_server.modelstore.verify import require_digest, verify
from lsp_server.prompt.families import find_family
from lsp_server.prompt.fim import FimFamily
from lsp_server.prompt.selfcheck import resolve_family
from lsp_server.prompt.tokenizer import FastTokenizer

__all__ = ["LoadedModel", "load_model", "read_model", "where_it_is_now"]


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
    trust: Trust | None = None,
) -> LoadedModel:
    """Find a model, verify every file of it, and check that it can fill in the middle.

    Reads every byte of the folder, so run it off the event loop.

    Args:
        path_or_name: A shipped or pulled model's name, or a folder.
        device: CPU or CUDA, where it shall run: kernels differ in what they accept.
        pulled: The folder of pulled models; None where there is none.
        sha256: What its manifest has to hash to; empty accepts any.
        trust: Whose signature the model needs; None for nobody's.

    Raises:
        ModelError: It is missing, damaged, unsafe, or not of use here.
    """
    folder = locate(path_or_name, pulled=pulled)
    if trust is not None:
        trust.check_folder(folder)
    manifest = load_manifest(folder)
    if sha256:
        require_digest(folder, sha256)
    verify(folder, manifest)
    check_quantisation(
        folder, manifest, device="cuda" if device is Device.CUDA else "cpu"
    )
    return read_model(folder)


def read_model(folder: Path) -> LoadedModel:
    """Read what the server knows of a model whose files are verified already.

    Raises:
        ModelError: It cannot fill in the middle.
    """
    manifest = load_manifest(folder)
    family = find_family(manifest.family)
    tokenizer = FastTokenizer(folder)
    resolve_family(tokenizer, family)
    return LoadedModel(
        folder=folder, manifest=manifest, family=family, tokenizer=tokenizer
    )


def where_it_is_now(model: LoadedModel) -> LoadedModel:
    """Return a loaded model with the folder that holds it by now.

    A pull may have put a newer one in its place: an engine that is started again would
    have the new weights behind the old tokenizer.

    Raises:
        ModelIntegrityError: No folder holds this model any more.
    """
    for folder in (model.folder, previous_folder(model.folder)):
        try:
            if load_manifest(folder) == model.manifest:
                return replace(model, folder=folder)
        except ModelError:
            continue
    raise ModelIntegrityError(
        "another model has taken the place of the one that this server began with",
        subject=str(model.folder),
        remedy="Restart the server to use the new one",
    )
