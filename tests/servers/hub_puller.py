"""Pulls models from a hub that a test serves, and keeps what is said."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Protocol, TypeAlias

from lsp_server.modelstore.registry.catalogue import Entry
from lsp_server.modelstore.registry.pull import PullJob, pull
from lsp_server.modelstore.registry.transport import Web

MakeEntry: TypeAlias = Callable[..., Entry]


COMMIT = "a" * 40


WEIGHTS = "/model.safetensors"


class Site(Protocol):
    """What these tests use of the server."""

    address: str
    contents: dict[str, bytes]
    redirects: dict[str, str]
    budgets: dict[str, list[int]]
    requests: list[tuple[str, str | None]]
    knows_ranges: bool

    def offer(self, files: dict[str, bytes], *, commit: str = COMMIT) -> None: ...

    def ranges(self, ending: str) -> list[str | None]: ...


class Puller:
    """Pulls into one folder, and keeps what was said."""

    def __init__(self, root: Path, site: Site, web: Web, entry: Entry) -> None:
        self.job = PullJob(
            name="tiny", entry=entry, root=root, hub=site.address, base=""
        )
        self.web = web
        self.site = site
        self.said: list[str] = []
        self.progress: list[tuple[str, int, int]] = []

    def __call__(self, **changes: object) -> Path:
        job = replace(self.job, **changes)  # type: ignore[arg-type]  # as the tests write them
        return pull(
            job,
            self.web,
            say=self.said.append,
            progress=lambda *step: self.progress.append(step),
        )

    def left(self) -> list[str]:
        """Return what is in the folder of models, hidden files left out."""
        if not self.job.root.exists():
            return []
        return sorted(
            path.name
            for path in self.job.root.iterdir()
            if not path.name.startswith(".")
        )


def weights_path(commit: str = COMMIT) -> str:
    """Return the path of the weights on the server."""
    return f"/maker/tiny-gptq/resolve/{commit}{WEIGHTS}"
