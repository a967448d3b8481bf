"""Files in many languages that the shipped model has not seen, and cursors in them.

The model was trained on Python alone. Nothing of these packages is in the repository:
they are fetched as those of the typing benchmark are.
"""

import random
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import cast

from tree_sitter_language_pack import SupportedLanguage, get_parser

from benchmarks.true_middles import LANGUAGES, draw_middle, that_parse
from benchmarks.typing_packages import Release, Sources, texts_of
from lsp_server.config import CompletionConfig
from lsp_server.context.cursor import CursorContext
from lsp_server.language.grammar import Kind
from lsp_server.service.trigger import why_unwelcome
from lsp_server.text import with_line_feeds
from lsp_server.values import Trigger
from training.eval.values import Extent, Task

__all__ = ["languages", "sources_of", "tasks_in"]

_PACKAGES = Path(__file__).with_name("calibration_packages.toml")

_MOST_CUTS = 12
"""Cursors of one file."""

_TRIES = 8
"""For a cursor, to find one where a completion comes by itself."""


def languages() -> list[str]:
    """Return the languages in which there are files."""
    return [*dict.fromkeys(sources.language_id for sources, _ in _packages())]


def sources_of(language_id: str) -> list[tuple[Sources, Release]]:
    """Return the files of a language, package by package."""
    return [each for each in _packages() if each[0].language_id == language_id]


def _packages() -> Iterator[tuple[Sources, Release]]:
    """Yield the files of each language of each package."""
    for row in tomllib.loads(_PACKAGES.read_text("utf-8"))["package"]:
        release = Release(
            version=row["version"], sha256=row["sha256"], suite=row.get("suite", "")
        )
        for language_id, suffix in row["files"].items():
            files = Sources(
                name=row["name"],
                registry=row["registry"],
                licence=row["licence"],
                language_id=language_id,
                suffix=suffix,
            )
            yield files, release


def tasks_in(language_id: str, cache: Path, *, limit: int, seed: int) -> list[Task]:
    """Draw cursors in a language's files, one of a file until all had a turn.

    Packages alternate, so that a large one does not dominate.

    Args:
        language_id: The language.
        cache: The folder where fetched packages are kept.
        limit: The most cursors.
        seed: The same seed draws the same cursors.
    """
    rnd = random.Random(f"{seed}/{language_id}")  # noqa: S311 - a benchmark's draw
    grammar = LANGUAGES[language_id][1]
    parser = get_parser(cast("SupportedLanguage", grammar))
    turns: list[tuple[int, str, str]] = []
    for sources, release in sources_of(language_id):
        texts = texts_of(sources, release, cache).items()
        by_text = {with_line_feeds(text): name for name, text in sorted(texts)}
        parsed = list(that_parse(by_text, parser))
        rnd.shuffle(parsed)
        for turn, text in enumerate(parsed):
            turns.append((turn, f"{sources.name}/{by_text[text]}", text))
    files = [(name, text) for _, name, text in sorted(turns)]
    found: dict[str, Task] = {}
    for name, text in files * _MOST_CUTS:
        if len(found) == limit:
            break
        task = _draw(name, text, language_id, rnd)
        if task is not None:
            found[task.task_id] = task
    return [*found.values()]


def _draw(name: str, text: str, language_id: str, rnd: random.Random) -> Task | None:
    """Return a gap at which a completion comes by itself; None if none was found."""
    config = CompletionConfig()
    for _ in range(_TRIES):
        start, end = draw_middle(text, rnd)
        task = Task(
            task_id=f"{name}@{start}-{end}",
            category=language_id,
            group=name,
            prefix=text[:start],
            middle=text[start:end],
            suffix=text[end:],
            extent=Extent.SPAN,
            max_tokens=config.max_block_tokens,
            language_id=language_id,
        )
        cursor = CursorContext.of(task.snapshot)
        is_comment = cursor.kind is Kind.COMMENT
        if not is_comment and why_unwelcome(cursor, Trigger.AUTOMATIC) is None:
            return task
    return None
