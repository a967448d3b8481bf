"""Finds a model folder: a shipped or a pulled model by its name, or any by its path."""

import re
from pathlib import Path

from lsp_server.errors import ModelNotFoundError
from lsp_server.operating_system import user_folder

__all__ = [
    "DATA_FOLDER",
    "MODEL_NAME",
    "is_model_name",
    "locate",
    "models_in",
    "previous_folder",
    "pulled_models_folder",
    "shipped_models",
]

MODEL_NAME = "[A-Za-z0-9][A-Za-z0-9._-]*"
"""The pattern of a model's name, which is also a folder's."""

_PACKAGE = Path(__file__).resolve().parents[1]


def _data_folder() -> Path:
    """Return where registry and shipped models are: in a wheel, else in a checkout."""
    in_wheel = _PACKAGE / "models"
    return in_wheel if in_wheel.is_dir() else _PACKAGE.with_name("models")


DATA_FOLDER = _data_folder()
"""Where the registry of models and the shipped models lie."""


def locate(path_or_name: str, *, pulled: Path | None = None) -> Path:
    """Return the folder of a model as an absolute path.

    A shipped model, then a pulled one, comes before a folder of the same name in the
    working directory: a workspace cannot put its own model in their place.

    Args:
        path_or_name: A model's name, or a folder; ``~`` is the user's home.
        pulled: The folder of pulled models; None where there is none.

    Raises:
        ModelNotFoundError: There is no such model or folder; the message lists the
            models that there are.
    """
    known = models_in(pulled) | shipped_models()
    if path_or_name in known:
        return known[path_or_name]
    what = "there is neither a shipped or pulled model nor a folder of this name"
    try:
        folder = Path(path_or_name).expanduser()
        # An empty setting would be the working directory.
        if path_or_name and folder.is_dir():
            return folder.resolve()
    # No home to expand, or a zero byte in the path.
    except (RuntimeError, ValueError):
        pass
    # A folder of somebody else, or a name that is too long.
    except OSError as exc:
        what = f"the model folder cannot be read ({exc.strerror})"
    raise ModelNotFoundError(
        what,
        subject=repr(path_or_name),
        remedy="Fetch it with `midfill models pull`, or name a model folder or one of "
        "the models that are here: " + (", ".join(sorted(known)) or "none"),
    )


def shipped_models() -> dict[str, Path]:
    """Return the folders of the models that are part of this installation, by name."""
    return models_in(DATA_FOLDER)


def pulled_models_folder(setting: str) -> Path | None:
    """Return the folder of pulled models: the setting, else one in the user's data.

    Args:
        setting: The value of ``registry.folder``; empty for nothing.

    Returns:
        The folder, which need not exist; None for a user without a home.
    """
    if not setting:
        data = user_folder("data")
        return data / "models" if data else None
    try:
        return Path(setting).expanduser()
    except RuntimeError:
        return None


def is_model_name(name: str) -> bool:
    """Return whether this can be a model's name: plain, and a visible folder's."""
    return re.fullmatch(MODEL_NAME, name) is not None


def previous_folder(model: Path) -> Path:
    """Return where the model lies that a newer one of the same name has replaced.

    Its last part is the model's name, too: a server that began with it shows that name.
    """
    return model.parent / ".previous" / model.name


def models_in(folder: Path | None) -> dict[str, Path]:
    """Return the model folders in a folder, by name."""
    if folder is None:
        return {}
    try:
        manifests = sorted(folder.absolute().glob("*/manifest.json"))
    # It may not be read, or its name holds a zero byte.
    except (OSError, ValueError):
        return {}
    return {
        manifest.parent.name: manifest.parent
        for manifest in manifests
        if is_model_name(manifest.parent.name)
    }
