"""Makes workspaces: a folder with files, and settings that choose the server."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path

__all__ = ["MIDFILL", "make_workspace", "scripted"]

MIDFILL = Path(sys.executable).with_name("midfill")


def make_workspace(
    folder: Path, files: Mapping[str, str], settings: Mapping[str, object]
) -> Path:
    """Write a workspace; line ends are kept as they are given."""
    (folder / ".vscode").mkdir(parents=True)
    (folder / ".vscode" / "settings.json").write_text(json.dumps(settings, indent=1))
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
    return folder


def scripted(text: str, **settings: object) -> dict[str, object]:
    """Return the settings of a server whose engine answers with this text.

    Args:
        text: What is inserted at the cursor.
        **settings: Further settings of ``midfill``, the dots as two underscores.
    """
    named = {f"midfill.{k.replace('__', '.')}": v for k, v in settings.items()}
    return {
        "midfill.server.path": str(MIDFILL),
        "midfill.engine.kind": "scripted",
        "midfill.scripted.text": text,
        **named,
    }
