"""What snippets of other open documents gain, with the real engine.

Run it with ``python -m benchmarks.context_gain``; ``--help`` lists the options. Places
are drawn with a seed from Midfill's own source, which no model was trained on before it
was written: the rest of a line behind some word of it is asked for, once with and once
without context, while the modules beside it are open. A place counts as right if the
first line of the answer is the line's own rest.

``--edits`` asks what recent edits gain. Places are lines that a commit of this
repository added to a module, while another module that the commit changed is open and
has just been edited as the commit did. With ``--before CHECKOUT`` they are asked by the
server of that checkout as well, which shows edits in another way.
"""

import argparse
import asyncio
import itertools
import os
import random
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path

from lsp_server.client.headless import HeadlessClient, headless_client
from lsp_server.config import SHIPPED_MODEL

__all__ = ["main"]

_SOURCE = Path(__file__).resolve().parents[1] / "lsp_server"
_PACKAGES = (
    *("client", "daemon", "engine", "postprocess"),
    *("project", "prompt", "protocol", "service"),
)
_SHARED = ("config", "errors", "text", "values")
_FILES, _PLACES_OF_ONE = 3, 4
_LEAST_LINE, _MOST_OPEN = 24, 18
_MOST_CHANGED = 8
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
        edited: Another document, with its text before and after it was edited.
    """

    file: Path
    before: str
    after: str
    rest: str
    edited: tuple[Path, str, str] | None = None


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


def _edit_places(seed: int, count: int) -> Iterator[_Place]:
    """Yield lines that commits added while they changed another module too."""
    drawn = random.Random(seed)  # noqa: S311 - an experiment's seed
    commits = _git("log", "--format=%h", "--no-merges", "-n", "1500").split()
    drawn.shuffle(commits)
    for commit in commits:
        listed = _git("show", "--format=", "--name-only", "--diff-filter=M", commit)
        names = [n for n in listed.split() if re.match(r"lsp_server/.*\.py$", n)]
        if not 2 <= len(names) <= _MOST_CHANGED:
            continue
        name, other = drawn.sample(names, 2)
        text = _git("show", f"{commit}:{name}")
        known = {*_git("show", f"{commit}~:{name}").split("\n")}
        lines = text.split("\n")
        usable = [
            (number, cut)
            for number, line in enumerate(lines)
            if line not in known and len(line.strip()) > _LEAST_LINE
            for cut in [_cut(line, drawn)]
            if cut
        ]
        if usable:
            number, cut = drawn.choice(usable)
            edit = (
                _git("show", f"{commit}~:{other}"),
                _git("show", f"{commit}:{other}"),
            )
            yield _Place(
                file=_SOURCE.parent / name,
                before="\n".join([*lines[:number], lines[number][:cut]]),
                after="\n" + "\n".join(lines[number + 1 :]),
                rest=lines[number][cut:],
                edited=(_SOURCE.parent / other, *edit),
            )
            count -= 1
        if not count:
            return


def _git(*words: str) -> str:
    """Return what git says of this repository."""
    command = ["git", "-C", str(_SOURCE.parent), *words]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return done.stdout


def _cut(line: str, drawn: random.Random) -> int:
    """Return where a line is cut: before a word that is not its first; 0 nowhere."""
    first = len(line) - len(line.lstrip())
    cuts = [at.start() for at in _WORD.finditer(line, first + 4)]
    return drawn.choice(cuts) if cuts else 0


async def _ask_all(
    places: Sequence[_Place], model: str, context: object, checkout: Path
) -> list[bool]:
    """Return for each place whether the answer was right."""
    options = {
        "daemon": {"mode": "never"},
        "completion": {"candidates": 1, "cache": False},
        "context": context,
    }
    command = [sys.executable, "-m", "lsp_server", "serve", "--stdio", "--model", model]
    right: list[bool] = []
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        environment = {**os.environ, "PYTHONPATH": str(checkout)}
        async with headless_client(
            command, stderr_path=log, environment=environment, options=options
        ) as client:
            await client.wait_until_ready(_READY_S)
            for file, group in itertools.groupby(places, key=lambda each: each.file):
                places_of_one = list(group)
                if (edited := places_of_one[0].edited) is not None:
                    uris = _edit_beside(client, *edited)
                else:
                    uris = _open_beside(client, file)
                right += [await _ask(client, place) for place in places_of_one]
                for uri in uris:
                    client.close_file(uri)
    return right


def _edit_beside(client: HeadlessClient, file: Path, old: str, new: str) -> list[str]:
    """Open another module, and edit it as a commit did."""
    uri = file.as_uri()
    client.open_text(uri, old)
    parts = SequenceMatcher(None, old.split("\n"), new.split("\n"), autojunk=False)
    at = [0, *itertools.accumulate(len(line) + 1 for line in old.split("\n"))]
    for tag, start, end, first, last in reversed(parts.get_opcodes()):
        if tag != "equal":
            lines = "".join(f"{line}\n" for line in new.split("\n")[first:last])
            client.edit(uri, at[start], min(at[end], len(old)), lines)
    return [uri]


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


async def _measure(arguments: argparse.Namespace) -> None:
    """Ask everywhere in each way, and print how many places each has right."""
    here, model = _SOURCE.parent, arguments.model
    on: dict[str, bool] = {"enabled": True}
    if arguments.edits:
        places = list(_edit_places(arguments.seed, arguments.places))
        others = ("open_tabs", "definitions", "index", "diagnostics")
        on |= {"recent_edits": True, **dict.fromkeys(others, False)}
    else:
        places = list(_places(arguments.seed))
    ways = {"without context": ({"enabled": False}, here), "with it": (on, here)}
    if arguments.before is not None:
        ways["with it as before"] = (on, arguments.before.resolve())
    right = {
        way: await _ask_all(places, model, context, checkout)
        for way, (context, checkout) in ways.items()
    }
    sys.stdout.write(f"{model}, seed {arguments.seed}, {len(places)} lines\n")
    for (way, one), (other, two) in itertools.combinations(right.items(), 2):
        pairs = list(zip(one, two, strict=True))
        sys.stdout.write(
            f"{way}: {sum(one)} right; {other}: {sum(two)}; alone right: "
            f"{pairs.count((True, False))} and {pairs.count((False, True))}\n"
        )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure what other files gain.")
    parser.add_argument("--model", default=SHIPPED_MODEL, help="model to ask")
    parser.add_argument("--seed", type=int, default=7, help="draws the places")
    parser.add_argument("--edits", action="store_true", help="of recent edits alone")
    parser.add_argument("--places", type=int, default=100, help="with --edits")
    parser.add_argument("--before", type=Path, help="another checkout to ask as well")
    asyncio.run(_measure(parser.parse_args()))


if __name__ == "__main__":
    main()
