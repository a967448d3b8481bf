"""Is the model whole, safe, and one that Midfill can complete code with?"""

from pathlib import Path

from lsp_server.config import Device
from lsp_server.doctor.finding import Finding, Level
from lsp_server.errors import ModelError
from lsp_server.service.loaded_model import LoadedModel, load_model

__all__ = ["check_model", "try_model"]


def try_model(
    path_or_name: str, device: Device, *, pulled: Path | None = None
) -> LoadedModel | ModelError:
    """Load everything of a model but its weights. Reads every byte of it."""
    try:
        return load_model(path_or_name, device, pulled=pulled)
    except ModelError as error:
        return error


def check_model(model: LoadedModel | ModelError) -> Finding:
    """Judge what loading it came to."""
    if isinstance(model, ModelError):
        return Finding(
            name="model",
            level=Level.FAILURE,
            what=f"{model.subject}: {model.what}",
            remedy=model.remedy,
        )
    manifest = model.manifest
    scheme = manifest.quantisation
    stored = f"{scheme.bits}-bit {scheme.method}" if scheme else manifest.dtype
    return Finding(
        name="model",
        level=Level.OK,
        what=f"{manifest.name}, {stored}, family {manifest.family}, "
        f"{manifest.context_length} tokens of context; "
        f"{len(manifest.files)} files as in the manifest",
    )
