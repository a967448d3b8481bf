"""What the pages for readers name is there: files, headings, settings and commands."""

import dataclasses
import enum
import os
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import get_type_hints

import pytest

from lsp_server.commands.entry import main
from lsp_server.config import Config
from lsp_server.metrics import FeedbackEvent, Outcome, Refusal, Route
from lsp_server.outcomes import Source, Stage, StopCause
from lsp_server.setting_layers import Layer
from lsp_server.settings import resolve

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted(
    page
    for place in ("*.md", "docs/**/*.md", "editors/*/*.md", "benchmarks/results/*.md")
    for page in ROOT.glob(place)
)
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
SECTIONS = get_type_hints(Config)
SETTINGS = {
    f"{section}.{field.name}"
    for section, cls in SECTIONS.items()
    for field in dataclasses.fields(cls)
}
FENCED = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
OF_FILES = (".json", ".jsonl", ".md", ".py", ".toml")

pages = pytest.mark.parametrize("page", PAGES, ids=NAMES)


def prose(page: Path) -> str:
    """Return a page without its blocks of code."""
    return FENCED.sub("", page.read_text(encoding="utf-8"))


def anchors(page: Path) -> set[str]:
    """Return what links may name in a page, as GitHub makes it of headings."""
    found = set()
    for heading in re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        found.add(re.sub(r"[^\w\- ]", "", plain).strip().replace(" ", "-"))
    return found


@pages
def test_links_lead_somewhere(page: Path) -> None:
    """To a file or folder of the repository, and to a heading that is there."""
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        linked = Path(os.path.normpath(page.parent / path)) if path else page
        assert linked.exists(), target
        assert not anchor or anchor in anchors(linked), target


@pages
def test_tests_that_are_named_exist(page: Path) -> None:
    """A test function of a file, and files with the cases of the languages."""
    text = prose(page)
    for file, name in re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", text):
        assert f"def {name}(" in (ROOT / file).read_text(encoding="utf-8"), name
    if "tests/golden/languages" in text:
        for name in re.findall(r"`([\w-]+\.toml)`", text):
            assert (ROOT / "tests/golden/languages" / name).exists(), name


def test_every_fault_of_a_deployment_has_a_test() -> None:
    """Each row of the table names one."""
    page = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
    section = page.partition("## Faults")[2].partition("\n## ")[0]
    head, *rows = [line for line in section.splitlines() if line.startswith("| ")]
    assert head == "| fault | what comes of it | shown by |"
    assert len(rows) > 15
    assert [row for row in rows if "`tests/" not in row] == []


def test_the_page_of_scope_has_each_filter() -> None:
    """And no other."""
    page = ROOT / "docs" / "completion" / "scope.md"
    table = prose(page).partition("## What the filters take away")[2].partition("##")[0]
    rows = re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)
    described = {name for row in rows for name in re.findall(r"`([\w-]+)`", row)}
    pipeline = ROOT / "lsp_server" / "postprocess" / "pipeline.py"
    source = pipeline.read_text(encoding="utf-8")
    assert described == set(
        re.findall(r'^    \("([\w-]+)", \w+\),', source, re.MULTILINE)
    )


@pages
def test_settings_that_are_named_exist(page: Path) -> None:
    """A name in two parts is a setting, an event of the log, or a file."""
    source = "\n".join(
        path.read_text(encoding="utf-8") for path in ROOT.glob("lsp_server/**/*.py")
    )
    is_of_results = page.parent.name == "results"  # with the names of their own JSON
    for name in re.findall(r"`([a-z]+\.[a-z_]+)(?: = [^`]*)?`", prose(page)):
        if name.split(".")[0] not in SECTIONS or name.endswith(OF_FILES):
            continue
        assert name in SETTINGS or f'"{name}"' in source or is_of_results, name


@pages
def test_settings_in_examples_are_understood(page: Path) -> None:
    """A block of TOML with Midfill's sections has no setting that is refused."""
    for kind, block in FENCED.findall(page.read_text(encoding="utf-8")):
        values = tomllib.loads(block) if kind == "toml" else {}
        if values and values.keys() <= SECTIONS.keys():
            layer = Layer(place="page", values=values)
            assert not resolve([layer]).problems


def commands(page: Path) -> Iterator[list[str]]:
    """Return the words of each command in a page, of those that always are there."""
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    names = "serve|daemon|complete|trace|stats|demo|doctor|health|models|keys"
    for line in re.findall(rf"\bmidfill ((?:{names})(?![\w:])[^\n`|)\"']*)", text):
        yield line.partition(" #")[0].split()


def help_of(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Return what ``--help`` prints of a command, or of its action."""
    for named in (words[:2], words[:1]):
        with pytest.raises(SystemExit) as ended:
            main([*named, "--help"])
        text = capsys.readouterr().out
        if not ended.value.code:
            return text
    pytest.fail(f"there is no {words[0]}")


@pages
def test_options_that_are_named_exist(
    page: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In examples and in prose, of the command or the action that they follow."""
    for words in commands(page):
        options = re.findall(r"(?<=\s)--?[a-z][\w-]*", " ".join(words))
        known = help_of(words, capsys) if options else ""
        for option in options:
            assert re.search(rf"{option}(?![\w-])", known), words


@pages
def test_targets_and_modules_that_are_named_exist(page: Path) -> None:
    """What `make` and `python -m` are told to run."""
    text = page.read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"`make ([a-z][\w-]*)", text):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    own = r"python -m ((?:benchmarks|training|lsp_server)[\w.]*)"
    for module in re.findall(own, text):
        path = ROOT / module.rstrip(".").replace(".", "/")
        assert path.with_suffix(".py").is_file() or (path / "__main__.py").is_file()


def test_the_page_of_metrics_has_each_of_them() -> None:
    """And no other; endings that say the kind are the exposition's own."""
    page = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`midfill_.*?) \|", page, re.MULTILINE)
    described = {
        re.sub(r"_(total|info)$", "", name)
        for row in rows
        for name in re.findall(r"`(\w+)`", row)
    }
    made = {
        re.sub(r"_total$", "", name)
        for path in ROOT.glob("lsp_server/observability/*.py")
        for name in re.findall(r'"(midfill_[a-z_]+)"', path.read_text(encoding="utf-8"))
    }
    assert described == made


FAULTS = {*range(1, 41)}


def test_every_fault_has_tests_that_exist() -> None:
    """Each number that must be there has some, and a name that is gone is found."""
    page = (ROOT / "docs" / "faults.md").read_text(encoding="utf-8")
    rows = [row.split("|")[1:-1] for row in page.splitlines() if row.startswith("|")]
    faults = [row for row in rows if row[-1].strip(" -") not in {"", "tests"}]
    numbers = {int(row[0]) for row in faults if row[0].strip().isdecimal()}
    assert numbers == FAULTS
    for row in faults:
        named = re.findall(r"`([\w/]+\.py)::(\w+)`", row[-1])
        assert named, row
        for file, test in named:
            source = (ROOT / "tests" / file).read_text(encoding="utf-8")
            assert re.search(rf"^(async )?def {test}\(", source, re.MULTILINE), test


@pytest.mark.parametrize(
    "label", [Outcome, Refusal, Route, FeedbackEvent, Source, Stage, StopCause]
)
def test_the_page_of_metrics_says_what_each_label_may_be(
    label: type[enum.Enum],
) -> None:
    """Who writes a query need not read the code."""
    page = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    assert [] == [each.value for each in label if f"`{each.value}`" not in page]
