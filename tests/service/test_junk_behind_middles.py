"""A model that writes what belongs at the cursor, and then goes on with something else.

The cursors are drawn in the sources of every language that the tests have.
"""

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lsp_server.context.cursor import CursorContext
from lsp_server.engine.scripted import ScriptedEngine
from lsp_server.service.completion import CompletionService
from lsp_server.service.typed_ahead import TypedAhead
from lsp_server.values import Snapshot, Trigger

MakeService = Callable[..., tuple[CompletionService, ScriptedEngine]]

FOLDER = Path(__file__).parents[1] / "golden" / "sources"
SOURCES = {path: path.read_text("utf-8") for path in sorted(FOLDER.glob("*.txt"))}
IDS = {"tsx": "typescriptreact", "bash": "shellscript"}
CURSORS = 14
JUNK: dict[str, Callable[[str, str], str]] = {
    "the code behind it": lambda _, after: after,
    "the next lines, in blanks": lambda _, after: after.replace("\n", "\n  "),
    "a fence and an explanation": lambda _, after: (
        f"{after.partition(chr(10))[0]}\n```\n\nThis is the code.\n"
    ),
    "itself": lambda middle, after: f"{after.partition(chr(10))[0]}\n{middle}" * 8,
}


def places(source: str) -> Iterator[tuple[int, int]]:
    """Yield where rests of lines, or pieces of them, begin and end."""
    rnd = random.Random(11)  # noqa: S311 - the same places each time
    lines = source.splitlines(keepends=True)
    for number in rnd.choices(
        [at for at, each in enumerate(lines) if each.strip()], k=CURSORS
    ):
        start, line = len("".join(lines[:number])), lines[number].rstrip("\n")
        first = rnd.randrange(len(line) - len(line.lstrip()), len(line))
        last = rnd.choice([len(line), rnd.randrange(first, len(line)) + 1])
        yield start + first, start + last


def opens_literal(middle: str, cursor: CursorContext) -> bool:
    """Return whether a middle leaves a string or comment open that it begins."""
    literal = cursor.scan(middle).literal_at(len(middle))
    return literal is not None and literal.start >= 0


def bare(text: str) -> str:
    """Return a text without white space."""
    return "".join(text.split())


@pytest.mark.parametrize("path", SOURCES, ids=[path.stem for path in SOURCES])
@pytest.mark.parametrize("junk", JUNK.values(), ids=[*JUNK])
async def test_nothing_else_is_shown(
    make_service: MakeService, path: Path, junk: Callable[[str, str], str]
) -> None:
    """What is shown is the middle, or its beginning; else there is a reason."""
    source = SOURCES[path]
    answered = 0
    for start, end in places(source):
        before, middle, after = source[:start], source[start:end], source[end:]
        service, _ = make_service(middle + junk(middle, after))
        snapshot = Snapshot(
            uri="file:///a",
            language_id=IDS.get(path.stem, path.stem),
            version=1,
            text=before + after,
            offset=start,
        )
        if opens_literal(middle, CursorContext.of(snapshot)):
            continue  # all that follows is text of it
        result = await service.complete(
            snapshot, request_id="r1", trigger=Trigger.AUTOMATIC, typed=TypedAhead()
        )
        for shown in (bare(each.text) for each in result.completions):
            answered += 1
            assert bare(middle).startswith(shown)
        assert result.completions or result.reason
    assert answered > CURSORS / 3
