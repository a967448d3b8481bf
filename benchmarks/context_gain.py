"""What snippets of other open documents gain, with the real engine.

Run it with ``python -m benchmarks.context_gain``; ``--help`` lists the options. Places
are drawn with a seed from Midfill's own source, which no model was trained on before it
was written: the rest of a line behind some word of it is asked for, once with and once
without context, while the modules beside it are open. A place counts as right if the
first line of the answer is the line's own rest.
"""

import argparse
import asyncio
import itertools
import os
import random
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lsp_server.client.headless import HeadlessClient, headless_client

__all__ = ["main"]

_SOURCE = Path(__file__).resolve().parents[1] / "lsp_server"
_PACKAGES = (
    *("client", "daemon", "engine", "postprocess"),
    *("project", "prompt", "protocol", "service"),
)
_SHARED = ("config", "errors", "text", "values")
_FILES, _PLACES_OF_ONE = 3, 4
_LEAST_LINE, _MOST_OPEN = 24, 18
_GATHERED_S = 0.3
_READY_S = 600.0
_WORD = re.compile(r"(?<=[\s(.,=])(?=\w)")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """A line to be completed.

    Attributes:
        file: Where it is.
        before: The text left of the cursor.
        after: The text behind the line.
        rest: The rest of the line.
    """

    file: Path
    before: str
    after: str
    rest: str


def _places(seed: int) -> Iterator[_Place]:
    """Yield the places that a seed draws, file by file."""
    drawn = random.Random(seed)  # noqa: S311 - an experiment's seed
    for package in _PACKAGES:
        for file in drawn.sample(sorted((_SOURCE / package).glob("[a-z]*.py")), _FILES):
            lines = file.read_text(encoding="utf-8").split("\n")
            usable = [
                (number, cut)
                for number, line in enumerate(lines)
                if len(line.strip()) > _LEAST_LINE and not line.startswith(("#", '"'))
                for cut in [_cut(line, drawn)]
                if cut
            ]
            for number, cut in drawn.sample(usable, min(_PLACES_OF_ONE, len(usable))):
                yield _Place(
                    file=file,
                    before="\n".join([*lines[:number], lines[number][:cut]]),
                    after="\n" + "\n".join(lines[number + 1 :]),
                    rest=lines[number][cut:],
                )


def _cut(line: str, drawn: random.Random) -> int:
    """Return where a line is cut: before a word that is not its first; 0 nowhere."""
    first = len(line) - len(line.lstrip())
    cuts = [at.start() for at in _WORD.finditer(line, first + 4)]
    return drawn.choice(cuts) if cuts else 0


async def _ask_all(places: Sequence[_Place], model: str, *, on: bool) -> list[bool]:
    """Return for each place whether the answer was right."""
    options = {
        "daemon": {"mode": "never"},
        "completion": {"candidates": 1, "cache": False},
        "context": {"enabled": on},
    }
    command = [sys.executable, "-m", "lsp_server", "serve", "--stdio", "--model", model]
    right: list[bool] = []
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        environment = dict(os.environ)
        async with headless_client(
            command, stderr_path=log, environment=environment, options=options
        ) as client:
            await client.wait_until_ready(_READY_S)
            for file, group in itertools.groupby(places, key=lambda each: each.file):
                uris = _open_beside(client, file)
                right += [await _ask(client, place) for place in group]
                for uri in uris:
                    client.close_file(uri)
    return right


def _open_beside(client: HeadlessClient, file: Path) -> list[str]:
    """Open the modules beside a file, and some that all of them use."""
    beside = [each for each in sorted(file.parent.glob("*.py")) if each != file]
    shared = [_SOURCE / f"{name}.py" for name in _SHARED]
    opened = [*beside[:_MOST_OPEN], *shared]
    for each in opened:
        client.open_text(each.as_uri(), each.read_text(encoding="utf-8"))
    return [each.as_uri() for each in opened]


async def _ask(client: HeadlessClient, place: _Place) -> bool:
    """Return whether the model completes a line as it stands."""
    uri = place.file.as_uri()
    client.open_text(uri, place.before + place.after)
    # The first request says where the cursor is; the second finds what was gathered.
    await client.complete(uri, len(place.before))
    await asyncio.sleep(_GATHERED_S)
    answer = await client.complete(uri, len(place.before))
    client.close_file(uri)
    texts = [each.text for each in answer.suggestions[:1]]
    return [place.rest.rstrip()] == [text.split("\n")[0].rstrip() for text in texts]


async def _measure(model: str, seed: int) -> None:
    """Ask everywhere without and with context, and print both."""
    places = list(_places(seed))
    off = await _ask_all(places, model, on=False)
    on = await _ask_all(places, model, on=True)
    only_on = sum(
        with_it and not without for with_it, without in zip(on, off, strict=True)
    )
    only_off = sum(
        without and not with_it for with_it, without in zip(on, off, strict=True)
    )
    sys.stdout.write(
        f"{model}, seed {seed}, {len(places)} lines: {sum(off)} right without context, "
        f"{sum(on)} with it; {only_on} with it alone, {only_off} without it alone\n"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure what other files gain.")
    parser.add_argument("--model", default="midfill-starter-88m", help="model to ask")
    parser.add_argument("--seed", type=int, default=7, help="draws the places")
    arguments = parser.parse_args()
    asyncio.run(_measure(arguments.model, arguments.seed))


if __name__ == "__main__":
    main()
