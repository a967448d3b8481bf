"""Finds a model folder by the name of a shipped model, or by its path."""

from pathlib import Path

from lsp_server.errors import ModelNotFoundError

__all__ = ["locate", "shipped_models"]


def locate(path_or_name: str) -> Path:
    """Give the folder of a model as an absolute path.

    A shipped model's name wins over a folder of that name in the working directory,
    so that a workspace cannot put its own model in its place.

    Args:
        path_or_name: A shipped model's name, or a folder; ``~`` is the user's home.

    Raises:
        ModelNotFoundError: There is neither; the message lists the shipped models.
    """
    shipped = shipped_models()
    if path_or_name in shipped:
        return shipped[path_or_name]
    try:
        folder = Path(path_or_name).expanduser()
        # An empty setting would be the working directory.
        if path_or_name and folder.is_dir():
            return folder.resolve()
    # No home to expand, or a zero byte in the path.
    except (RuntimeError, ValueError):
        pass
    raise ModelNotFoundError(
        "there is neither a shipped model nor a folder of this name",
        subject=repr(path_or_name),
        remedy="Set model.path to a model folder, or to one of the shipped models: "
        + (", ".join(shipped) or "none is in this installation"),
    )


def shipped_models() -> dict[str, Path]:
    """Give the folders of the models that are part of this installation, by name."""
    # Beside this module in a checkout and in a wheel alike.
    home = Path(__file__).resolve().parent
    return {
        manifest.parent.name: manifest.parent
        for manifest in sorted(home.glob("*/manifest.json"))
    }
