"""What was obtained, or why it was not: one JSON file for each editor."""

import json
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

__all__ = ["FOLDER", "ROOT", "Record", "UnobtainableError", "program"]

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / ".editors"


class UnobtainableError(Exception):
    """An editor cannot be had on this machine; the message says why in one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What became of one editor.

    Attributes:
        name: The editor's name, and that of its program.
        recipe: What was asked for; another recipe obtains it again.
        version: The version that the program reported; empty if there is none.
        reason: Why it could not be had; empty if it was.
        seconds: How long it took, in seconds.
        checksums: SHA-256 of each Debian package, or npm's integrity of each package.
    """

    name: str
    recipe: str
    version: str = ""
    reason: str = ""
    seconds: float = 0.0
    checksums: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, name: str, folder: Path = FOLDER) -> "Record | None":
        """Return the record of an editor; None if it was never asked for."""
        try:
            text = (folder / "records" / f"{name}.json").read_text(encoding="utf-8")
            return cls(**json.loads(text))
        except (FileNotFoundError, TypeError, ValueError):
            return None

    def age_s(self, folder: Path = FOLDER) -> float:
        """Return how long ago this record was written, in seconds."""
        path = folder / "records" / f"{self.name}.json"
        return time.time() - path.stat().st_mtime

    def write(self, folder: Path = FOLDER) -> None:
        """Keep this record in the folder of the editors."""
        records = folder / "records"
        records.mkdir(parents=True, exist_ok=True)
        text = json.dumps(asdict(self), indent=2, sort_keys=True)
        (records / f"{self.name}.json").write_text(text + "\n", encoding="utf-8")


def program(name: str, folder: Path = FOLDER) -> Path:
    """Return the program of an editor that was obtained.

    Raises:
        UnobtainableError: It was not; the message says why, or what to run.
    """
    record = Record.read(name, folder)
    if record is None:
        raise UnobtainableError(f"{name} was not asked for: run make install-editors")
    if record.reason:
        raise UnobtainableError(f"{name} cannot be had: {record.reason}")
    return folder / "bin" / name
