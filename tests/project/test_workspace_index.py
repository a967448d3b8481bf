"""The provider of the workspace's index: its snippets, folders and settings."""

import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "servers"))

from project_editor import document

from lsp_server.config import ContextConfig
from lsp_server.privacy.path_rules import PathRules
from lsp_server.project.index.index_file import index_path
from lsp_server.project.index.provider import WorkspaceIndex
from lsp_server.project.provider import (
    DocumentEdited,
    DocumentSaved,
    FoldersChanged,
    Query,
)
from lsp_server.service.assembly import providers
from lsp_server.values import Snapshot, Snippet

CART = "def total_of(cart):\n    return sum(item.price for item in cart.items)\n"
CURSOR = "cart = load_cart()\nfor item in cart.items:\n    show(item.price, total_of"


class Workspace:
    """A folder with files, an editor in it, and its index."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.config = ContextConfig()
        self.provider = WorkspaceIndex(
            lambda: self.config, PathRules(), defined_names=lambda *_: ()
        )

    def take(self, *names: str) -> None:
        self.provider.take(FoldersChanged(folders=tuple(map(self.uri, names))))

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def uri(self, name: str) -> str:
        return (self.root / name).as_uri()

    async def found(
        self, name: str, *, folder: str = "w", opened: tuple[Snapshot, ...] = ()
    ) -> list[Snippet]:
        """Ask with the cursor in a document."""
        cursor = replace(document(self.uri(name), CURSOR), offset=len(CURSOR))
        query = Query(snapshot=cursor, folder=self.uri(folder), open_documents=opened)
        return [*await self.provider.gather(query)]

    async def indexed(self, name: str, *, folder: str = "w") -> list[Snippet]:
        """Ask until there is an answer: what is indexed is written in between."""
        while not (found := await self.found(name, folder=folder)):
            continue
        return found


@pytest.fixture
async def workspace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Workspace]:
    """A user's folders."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    made = Workspace(tmp_path)
    yield made
    await made.provider.close()


async def test_snippets_come_from_the_folder_of_the_document(
    workspace: Workspace,
) -> None:
    """Whole lines with their path and address; nothing of another folder."""
    workspace.write("w/shop/a cart.py", f"\n\n{CART}")
    workspace.write("other/cart.py", CART)
    workspace.take("w", "other")
    (snippet,) = await workspace.indexed("w/main.py")
    assert ("shop/a cart.py", CART.strip()) == (snippet.path, snippet.text)
    assert workspace.uri("w/shop/a cart.py") == snippet.uri
    assert 0 < snippet.score <= 1
    (snippet,) = await workspace.indexed("other/main.py", folder="other")
    assert "cart.py" == snippet.path


async def test_the_document_and_open_ones_are_left_out(workspace: Workspace) -> None:
    """By every name that they have; open ones are what the editor shows."""
    for name in ("own.py", "opened.py", "cart.py"):
        workspace.write(f"w/{name}", CART)
    (workspace.root / "w" / "link.py").symlink_to("own.py")
    workspace.take("w")
    opened = (document(workspace.uri("w/opened.py"), CART),)
    await workspace.indexed("w/main.py")
    for name in ("w/own.py", "w/link.py"):
        found = await workspace.found(name, opened=opened)
        assert ["cart.py"] == [each.path for each in found]


@pytest.mark.parametrize(
    "change",
    [
        lambda root: (root / "cart.py").unlink(),
        lambda root: (root / "cart.py").write_text("x" * 500, encoding="utf-8"),
        lambda root: (root / ".midfillignore").write_text("cart.py", encoding="utf-8"),
    ],
    ids=["deleted", "changed", "private"],
)
async def test_what_the_index_does_not_know_yet_is_not_shown(
    workspace: Workspace, change: Callable[[Path], object]
) -> None:
    """A file that changed since then has other lines."""
    workspace.write("w/cart.py", CART)
    workspace.take("w")
    await workspace.indexed("w/main.py")
    await workspace.provider.close()
    change(workspace.root / "w")
    workspace.provider = WorkspaceIndex(
        lambda: workspace.config, PathRules(), defined_names=lambda *_: ()
    )
    workspace.take("w")
    assert [] == await workspace.found("w/main.py")


async def test_folders_come_and_go(workspace: Workspace) -> None:
    """So do limits; what happens in the editor is noted without harm."""
    workspace.write("w/cart.py", CART)
    assert [] == await workspace.found("w/main.py")
    workspace.take("w")
    await workspace.indexed("w/main.py")
    workspace.provider.take(DocumentEdited(uri=workspace.uri("w/main.py")))
    workspace.provider.take(DocumentSaved(uri=workspace.uri("w/main.py")))
    workspace.provider.take(DocumentSaved(uri="untitled:1"))
    workspace.config = ContextConfig(index_max_file_bytes=1024)
    await workspace.indexed("w/main.py")
    workspace.take()
    assert [] == await workspace.found("w/main.py")


async def test_other_machines_have_no_index(workspace: Workspace) -> None:
    """Neither folders elsewhere, nor editors elsewhere."""
    for folder in ("file://server/w", "vscode-remote://ssh/w"):
        workspace.provider.take(FoldersChanged(folders=(folder,)))
    assert not (workspace.root / "cache").exists()
    here = providers(ContextConfig, is_remote=False)
    there = providers(ContextConfig, is_remote=True)
    assert {"definitions", "index"} == {each.name for each in here} - {
        each.name for each in there
    }


async def test_a_user_without_a_home_has_none(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is no place for it, and nothing else fails."""
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "")
    workspace.write("w/cart.py", CART)
    workspace.take("w")
    assert [] == await workspace.found("w/main.py")
    with pytest.raises(FileNotFoundError):
        index_path(workspace.root)
