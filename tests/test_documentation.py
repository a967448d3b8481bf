"""What the documentation names is there."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
LINK = re.compile(r"\]\(([^)\s#]+)(#[^)\s]*)?\)")


def named_tests(page: Path) -> Iterator[tuple[str, str]]:
    """Yield file and function of each test that a page names."""
    yield from TEST.findall(page.read_text(encoding="utf-8"))


def test_every_test_that_is_named_is_there() -> None:
    """A fault is shown by a test that somebody can run."""
    named = {each for page in PAGES for each in named_tests(page)}
    assert len(named) > 30
    missing = set()
    for file, function in named:
        path = ROOT / file
        tree = ast.parse(path.read_text("utf-8") if path.is_file() else "")
        if function not in {getattr(each, "name", "") for each in tree.body}:
            missing.add(f"{file}::{function}")
    assert set() == missing


def test_every_fault_has_a_test() -> None:
    """Each row of the table names one."""
    page = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
    section = page.partition("## Faults")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| ")]
    without = [row for row in rows if not TEST.search(row)]
    assert ["| fault | what comes of it | shown by |"] == without
    assert len(rows) > 15


def test_every_link_leads_somewhere() -> None:
    """To a file of the repository, and to a heading that it has."""
    broken = []
    for page in PAGES:
        for name, anchor in LINK.findall(page.read_text(encoding="utf-8")):
            if "://" in name or name.startswith("mailto:"):
                continue
            target = page.parent / name
            if not target.exists() or (anchor and anchor not in anchors(target)):
                broken.append(f"{page.relative_to(ROOT)}: {name}{anchor}")
    assert [] == broken


def anchors(page: Path) -> set[str]:
    """Return the addresses of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {
        "#" + re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")
        for heading in headings
    }
