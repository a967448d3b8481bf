"""A folder that appears whole, or not at all."""

import errno
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lsp_server.errors import MidfillError

__all__ = ["WholeFolder"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeFolder:
    """What a command makes, and where it goes when it is finished.

    Attributes:
        output: Folder to make; new or empty.
        holds: What it will hold, in a word, for errors.
        error: The class of what is raised.
    """

    output: Path
    holds: str
    error: type[MidfillError]

    def check(self) -> None:
        """Find out, before any work, whether the folder can be made.

        Raises:
            MidfillError: It is there and not empty, or its parent is missing.
        """
        output = self.output
        if output.exists() and not (output.is_dir() and not any(output.iterdir())):
            raise self.error(
                "the output is not an empty folder",
                subject=str(output),
                remedy=f"Name a new one: what lies there would mix with the "
                f"{self.holds}",
            )
        if not output.resolve().parent.is_dir():
            raise self.error(
                "the output's parent folder is missing",
                subject=str(output),
                remedy="Create it first",
            )

    @contextmanager
    def unfinished(self) -> Iterator[Path]:
        """Give a temporary folder beside the output, and remove it in every case.

        Raises:
            MidfillError: A file cannot be written; of a full disk it says so.
        """
        beside = self.output.resolve()
        folder: Path | None = None
        try:
            folder = Path(
                tempfile.mkdtemp(
                    prefix=f".{beside.name}.unfinished-", dir=beside.parent
                )
            )
            yield folder
        except OSError as exc:
            full = exc.errno in {errno.ENOSPC, errno.EDQUOT}
            raise self.error(
                f"the {self.holds} cannot be written ({exc.strerror})",
                subject=str(exc.filename or beside.parent),
                remedy="Free space on that disk and run this again"
                if full
                else "Check that the folder may be written to",
            ) from exc
        finally:
            if folder is not None:
                shutil.rmtree(folder, ignore_errors=True)

    def publish(self, finished: Path) -> None:
        """Put a folder inside of the unfinished one in its place, in one step.

        Raises:
            OSError: It cannot be renamed.
        """
        finished.rename(self.output.resolve())
