"""The index follows the files, and finds what the words around a cursor are in."""

import os
import sys
from dataclasses import replace
from pathlib import Path, PurePath

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "servers"))

from indexed_workspace import IndexedWorkspace

from lsp_server.project.index.search import files_defining

CART = "def total_of(cart):\n    return sum(item.price for item in cart.items)\n"
NOISE = "".join(f"value_{n} = {n}\n" for n in range(60))


@pytest.fixture
def workspace(tmp_path: Path) -> IndexedWorkspace:
    """A workspace without files."""
    (tmp_path / "w").mkdir()
    return IndexedWorkspace(tmp_path / "w", tmp_path / "index.sqlite")


def age(path: Path) -> None:
    """Have a file changed a while ago, so that its time is reliable."""
    os.utime(path, (1_000_000, 1_000_000))


def test_what_has_the_words_is_found(workspace: IndexedWorkspace) -> None:
    """Whole identifiers and their parts; the best chunk first, and where it is."""
    workspace.write(
        shop__cart=NOISE + "\n" + CART, noise=NOISE, other="class Cart: ..."
    )
    workspace.scan()
    (first, *_) = workspace.hits("total_of", "cart", "items")
    assert PurePath("shop/cart.py") == first.path
    lines = (NOISE + "\n" + CART).split("\n")[first.first_line : first.end_line]
    assert "def total_of(cart):" in lines
    assert 0 < first.strength <= 1
    assert ["shop/cart.py"] == workspace.found("totalOf")
    assert [] == workspace.found("unheard", "x", "")
    assert [] == workspace.found('"', "OR *", "NEAR(")


def test_weak_hits_are_none(workspace: IndexedWorkspace) -> None:
    """One common word of many says little."""
    workspace.write(cart=CART, **{f"n{n}": f"only_{n} = item\n" for n in range(9)})
    workspace.scan()
    assert ["cart.py"] == workspace.found("total_of", "cart", "price", "item", "items")


def test_files_are_left_out(workspace: IndexedWorkspace) -> None:
    """The document's own lines are no context for it."""
    workspace.write(a__cart=CART, b__cart=CART)
    workspace.scan()
    hits = workspace.hits("total_of", "cart", without=[PurePath("a/cart.py")])
    assert [PurePath("b/cart.py")] == [hit.path for hit in hits]


def test_only_what_changed_is_indexed_anew(workspace: IndexedWorkspace) -> None:
    """Time and size tell it, then the content."""
    workspace.write(a="first = 1\n", b="second = 2\n")
    for path in workspace.root.iterdir():
        age(path)
    workspace.scan()
    assert {PurePath("a.py"), PurePath("b.py")} == {*workspace.indexed}
    workspace.scan()
    assert [] == workspace.indexed
    workspace.write(a="third = 3\n", b="second = 2\n")
    workspace.scan()
    assert [PurePath("a.py")] == workspace.indexed
    assert ["a.py"] == workspace.found("third")
    assert [] == workspace.found("first")


def test_a_change_in_the_same_tick_is_noticed(workspace: IndexedWorkspace) -> None:
    """A file of the same time and size that was just written is read again."""
    workspace.write(a="first = 1\n")
    status = (workspace.root / "a.py").stat()
    workspace.scan()
    workspace.write(a="third = 3\n")
    os.utime(workspace.root / "a.py", ns=(status.st_atime_ns, status.st_mtime_ns))
    workspace.scan()
    assert ["a.py"] == workspace.found("third")


def test_what_is_gone_disappears(workspace: IndexedWorkspace) -> None:
    """Files, whole folders, and what an ignore file has come to name."""
    workspace.write(a="here_a = 1\n", b="here_b = 1\n", sub__deep__c="here_c = 1\n")
    workspace.scan()
    assert 3 == len(workspace.found("here"))
    (workspace.root / "a.py").unlink()
    (workspace.root / "sub").rename(workspace.root.parent / "moved")
    (workspace.root / ".midfillignore").write_text("b.py\n", encoding="utf-8")
    workspace.scan()
    assert [] == workspace.found("here")
    with workspace.store() as store:
        assert 0 == store.count()


def test_one_folder_is_brought_up_to_date(workspace: IndexedWorkspace) -> None:
    """Without those below; a scan is asked for where there is another folder."""
    workspace.write(a="here_a = 1\n", sub__b="here_b = 1\n")
    with workspace.store() as store:
        update = workspace.update_of(store)
        update.scan()
        workspace.write(sub__c="here_c = 1\n")
        assert update.update("sub")
        assert 3 == store.count()
        workspace.write(new__d="here_d = 1\n")
        assert update.update("unknown")
        assert not update.update("")


def test_no_more_files_than_the_limit(workspace: IndexedWorkspace) -> None:
    """The outer ones count first; a lower limit removes what is too much."""
    workspace.write(a="x_1 = 1\n", z="x_1 = 1\n", sub__a="x_1 = 1\n")
    assert not workspace.scan().left_out
    workspace.limits = replace(workspace.limits, files=2)
    assert workspace.scan().left_out
    assert {"a.py", "z.py"} == {*workspace.found("x_1")}


@pytest.mark.parametrize(
    "count", [2_000, pytest.param(100_000, marks=pytest.mark.slow)]
)
def test_many_files_take_no_more_than_their_share(
    workspace: IndexedWorkspace, count: int
) -> None:
    """Work stops between files for others, and the limit holds."""
    limit = count // 2
    for number in range(count):
        folder = workspace.root / f"{number % 100}"
        folder.mkdir(exist_ok=True)
        (folder / f"{number}.py").write_text(f"name_{number} = 1\n", encoding="utf-8")
    workspace.limits = replace(workspace.limits, files=limit)
    assert workspace.scan().left_out
    with workspace.store() as store:
        assert limit == store.count()
    assert workspace.paused >= limit
    assert ["0/0.py"] == workspace.found("name_0")


def test_who_defines_a_name(workspace: IndexedWorkspace) -> None:
    """Functions, classes and methods; not what only uses it."""
    workspace.write(a="class Cart:\n    def pay(self): ...\n", b="Cart().pay()\n")
    workspace.scan()

    def files(name: str, kind: str = "python") -> list[str]:
        found = files_defining(workspace.index, name, kind=kind, limit=5)
        return [str(path) for path in found]

    assert ["a.py"] == files("Cart") == files("pay")
    assert [] == files("Cart", kind="go") == files("cart")


def test_without_an_index_nothing_is_found(workspace: IndexedWorkspace) -> None:
    """None yet, or no database: who writes the index says so."""
    assert [] == workspace.found("total_of")
    workspace.index.write_bytes(b"no database" * 100)
    assert [] == workspace.found("total_of")
    assert [] == files_defining(workspace.index, "Cart", kind="python", limit=5)
