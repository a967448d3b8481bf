"""Definitions of the names at the cursor, from the files that it imports."""

import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path, PurePath

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "servers"))

from definition_cases import CASES, GO_CART, PYTHON_CART, Case, Files
from indexed_workspace import LIMITS
from project_editor import document

from lsp_server.config import ContextConfig
from lsp_server.file_languages import language_id_of
from lsp_server.privacy.path_rules import Exclusion, PathRules
from lsp_server.project.definitions import imports, provider
from lsp_server.project.definitions.imports import imports_in
from lsp_server.project.definitions.provider import Definitions
from lsp_server.project.definitions.tags import defined_names
from lsp_server.project.index.index_file import index_path
from lsp_server.project.index.source_files import SourceFiles
from lsp_server.project.index.store import IndexStore
from lsp_server.project.index.update import IndexUpdate
from lsp_server.project.provider import Query
from lsp_server.values import Snapshot, Snippet


class Workspace:
    """A folder with files, and the provider of definitions."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.provider = Definitions(ContextConfig, PathRules())

    def write(self, files: Files) -> None:
        for name, text in files.items():
            (self.root / name).parent.mkdir(parents=True, exist_ok=True)
            (self.root / name).write_text(text, encoding="utf-8")

    def index(self) -> None:
        """Index the files."""
        path = index_path(self.root)
        path.parent.mkdir(parents=True)
        with IndexStore(path, max_bytes=1 << 26) as store:
            IndexUpdate(
                self.root,
                store,
                SourceFiles(self.root, PathRules(), max_bytes=100_000),
                limits=LIMITS,
                defined_names=defined_names,
                pause=lambda: None,
            ).scan()

    async def found(
        self, name: str, text: str, *opened: Snapshot
    ) -> dict[str, Snippet]:
        """Ask with the cursor at the end of a document; the snippets by their path."""
        uri = (self.root / name).as_uri()
        cursor = replace(document(uri, text), offset=len(text))
        query = Query(snapshot=cursor, folder=self.root.as_uri(), open_documents=opened)
        return {each.path: each for each in await self.provider.gather(query)}


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A workspace without files."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "w").mkdir()
    return Workspace(tmp_path / "w")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0])
async def test_imports_lead_to_definitions(workspace: Workspace, case: Case) -> None:
    """Signatures with a line of documentation, and no code; in each language."""
    _, files, name, text, path, shown = case
    workspace.write(files)
    found = await workspace.found(name, f"{text} ")
    assert shown in found[path].text
    assert [path] == [*found]
    assert "secret" not in found[path].text
    assert (workspace.root / path).as_uri() == found[path].uri


async def test_nearer_names_come_first(workspace: Workspace) -> None:
    """The score says so; what the document defines itself is left out."""
    workspace.write({"a.py": "def far(): ...\n", "b.py": "def near(): ...\n"})
    text = "from a import far\nfrom b import near\ndef own(): ...\nfar()\nnear() "
    found = await workspace.found("main.py", text)
    assert found["b.py"].score > found["a.py"].score > 0
    assert not await workspace.found(
        "main.py", f"{text}\ndef near(): ...\ndef far(): ..."
    )


async def test_the_index_knows_the_rest(workspace: Workspace) -> None:
    """Names without an import, where few files define them."""
    common = "def load_all(): ...\ndef address(): ...\n"
    many = {f"m{number}.py": common for number in range(9)}
    workspace.write({"deep/er/other.py": "def file(): ...\ndef read_file(): ...\n"})
    workspace.write({"deep/er/cart.py": PYTHON_CART, **many, "a.go": GO_CART})
    assert not await workspace.found("main.py", "c = Cart ")
    workspace.index()
    assert ["deep/er/cart.py"] == [*await workspace.found("main.py", "c = Cart ")]
    assert not await workspace.found("main.py", "load_all ")
    assert not await workspace.found("main.py", "file, address ")
    assert await workspace.found("main.py", "read_file ")
    assert not await workspace.found("deep/er/cart.py", "Cart ")


async def test_open_documents_count_as_they_are(workspace: Workspace) -> None:
    """Also where they are not saved, and files as they are now."""
    workspace.write({"a.py": "def before(): ...\n"})
    text = "from a import before, after\nbefore(), after() "
    assert "before" in (await workspace.found("main.py", text))["a.py"].text
    opened = document((workspace.root / "a.py").as_uri(), "def after(): ...\n")
    assert "after" in (await workspace.found("main.py", text, opened))["a.py"].text
    workspace.write({"a.py": "def after(now): ...\n"})
    assert "now" in (await workspace.found("main.py", text))["a.py"].text


async def test_what_takes_too_long_to_read_waits(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer in time is better than a whole one; what was read stays."""
    workspace.write({"a.py": "def far(): ...\n", "b.py": "def near(): ...\n"})
    assert ["a.py"] == [*await workspace.found("main.py", "from a import far\nfar ")]
    monkeypatch.setattr(provider, "_READING_S", -1.0)
    text = "from a import far\nfrom b import near\nfar, near "
    assert ["a.py"] == [*await workspace.found("main.py", text)]
    monkeypatch.setattr(provider, "_LOOKING_S", -1.0)
    assert [] == [*await workspace.found("main.py", text)]


async def test_nothing_private_or_outside(workspace: Workspace) -> None:
    """Neither what ignore files name, nor what lies above, nor behind a link."""
    workspace.write({"a.py": "def f(): ...\n", ".midfillignore": "a.py\n"})
    outside = workspace.root.parent / "outside.py"
    outside.write_text("def g(): ...\n", encoding="utf-8")
    (workspace.root / "link.py").symlink_to(outside)
    text = "from a import f\nfrom ..outside import g\nfrom link import g\nf(), g() "
    assert not await workspace.found("main.py", text)
    assert not await workspace.found("b.txt", "f() ")


@pytest.mark.parametrize("name", ["a.py", "a.ts", "a.go", "a.rs", "a.cpp", "a.java"])
def test_broken_code_has_definitions_too(name: str) -> None:
    """What is whole in it; endless nesting ends."""
    code = {
        "a.py": "def good(): ...\ndef bad(:\n",
        "a.ts": "function good() {}\nfunction bad( {\n",
        "a.go": "package a\nfunc good() {}\nfunc bad( {\n",
        "a.rs": "fn good() {}\nfn bad( {\n",
        "a.cpp": "void good() {}\nvoid bad( {\n",
        "a.java": "class A { void good() {} }\nclass bad( {\n",
    }
    assert "good" in defined_names(PurePath(name), code[name])
    defined_names(PurePath(name), "(" * 50_000)


@pytest.mark.parametrize("name", ["a.py", "a.ts", "a.go", "a.rs", "a.lua", "a.java"])
def test_imports_of_a_long_text_are_read_in_one_pass(
    workspace: Workspace, name: str
) -> None:
    """Data, blanks and lists that never end: tried from each place, it takes minutes.

    So does the loop wait: a regular expression runs under the interpreter's lock.
    """
    workspace.write({"go.mod": "module m\n"})
    where = imports.Workspace(workspace.root)
    for part in ("1,", " ", "\nuse ", "\nimport (", "\nfrom . import (", "from ", "= "):
        text = part * (250_000 // len(part))
        language_id = language_id_of(PurePath(name))
        assert not imports_in(PurePath(name), text, language_id, where)


async def test_what_is_no_name_of_a_file_is_no_import(workspace: Workspace) -> None:
    """Such as one that the file system refuses for its length; the others count."""
    workspace.write({"a.py": "def far(): ...\n"})
    text = f"from {'long' * 100} import f\nfrom a import far\nfar "
    assert ["a.py"] == [*await workspace.found("main.py", text)]


async def test_a_query_looks_at_each_file_once(workspace: Workspace) -> None:
    """However many names and packages lead to it."""
    looked_at: Counter[str] = Counter()

    class Rules(PathRules):
        """Count what is asked."""

        def exclusion(
            self, path: PurePath, *, is_folder: bool = False, is_here: bool = True
        ) -> Exclusion | None:
            looked_at[path.as_posix()] += 1
            return super().exclusion(path, is_folder=is_folder, is_here=is_here)

    workspace.provider = Definitions(ContextConfig, Rules())
    inside = "from . import a, b, c\nfrom .a import *\nfrom .b import *\n"
    packages = {f"p/{name}/__init__.py": inside for name in ("", "a", "b", "c")}
    workspace.write({**packages, "p/a/far.py": "def far(): ...\n"})
    text = "from p import near, far, other\nnear, far, other, more "
    await workspace.found("main.py", text)
    assert {*looked_at.values()} == {1}
