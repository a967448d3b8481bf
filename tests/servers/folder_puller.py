"""A model folder on the web that changes, and who pulls it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, Protocol, TypeAlias

from lsp_server.modelstore.manifest import load_manifest
from lsp_server.modelstore.registry.pull import PullJob, pull
from lsp_server.modelstore.registry.transport import Web
from lsp_server.modelstore.verify import verify

WEIGHTS = "model.safetensors"

OnProgress: TypeAlias = Callable[[str], None]


class Site(Protocol):
    """What these tests use of the server."""

    address: str
    contents: dict[str, bytes]
    statuses: dict[str, int]
    budgets: dict[str, list[int]]
    requests: list[tuple[str, str | None]]

    def ranges(self, ending: str) -> list[str | None]: ...


class Puller:
    """Pulls one model from a folder on the web, and keeps what was said."""

    def __init__(self, root: Path, site: Site, web: Web) -> None:
        base = f"{site.address}/m"
        self.job = PullJob(name="tiny", entry=None, root=root, hub="", base=base)
        self.folder = root / "tiny"
        self.said: list[str] = []
        self.on_progress: OnProgress = lambda _name: None
        self._web = web

    def __call__(self, **changes: object) -> Path:
        job = replace(self.job, **changes)  # type: ignore[arg-type]  # as the tests write them
        return pull(
            job,
            self._web,
            say=self.said.append,
            progress=lambda name, _done, _total: self.on_progress(name),
        )

    @property
    def licence(self) -> bytes:
        """What tells one version of the model from another."""
        verify(self.folder, load_manifest(self.folder))
        return (self.folder / "LICENSE").read_bytes()


class Versions(NamedTuple):
    """Two versions of a model, as files."""

    old: dict[str, bytes]
    new: dict[str, bytes]


def offer(site: Site, files: dict[str, bytes]) -> None:
    """Serve a model's files below ``/m``."""
    site.contents = {f"/m/{name}": content for name, content in files.items()}
