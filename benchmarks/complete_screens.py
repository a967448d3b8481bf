"""What `midfill complete` shows at cursors of this repository, before and after.

Run it with ``python -m benchmarks.complete_screens --before CHECKOUT``: the same places
are completed by another checkout's code and by this one's, in the same environment. A
place is the middle of a line of code whose rest is taken away, as it is while somebody
types; the seed draws it. It prints Markdown.
"""

import argparse
import os
import random
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["main"]

_ROOT = Path(__file__).resolve().parents[1]
_SOURCES = {
    "python": ("lsp_server/**/*.py", "training/**/*.py"),
    "typescript": ("editors/vscode/src/**/*.ts",),
    "lua": ("editors/neovim/lua/**/*.lua",),
}
_LEAST_LINES = 40
_BEHIND_WORD = re.compile(r"(?<=[\w)\]}\"'=,(])\s|(?<=[.(=\[])")
"""Where somebody is likely to pause: behind a word, a dot or an opener."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Screen:
    """A place, with the document as it is while the line is typed."""

    path: Path
    line: int
    text: str
    column: int
    rest: str


def _screens(seed: int, count: int) -> Iterator[_Screen]:
    """Yield places without end, the languages in turn."""
    chance = random.Random(seed)  # noqa: S311 - draws places, guards nothing
    files = {
        language: sorted(
            path
            for pattern in patterns
            for path in _ROOT.glob(pattern)
            if len(path.read_text(encoding="utf-8").splitlines()) >= _LEAST_LINES
        )
        for language, patterns in _SOURCES.items()
    }
    for number in range(count):
        language = list(files)[number % len(files)]
        yield next(_places(chance, files[language]))


def _places(chance: random.Random, files: Sequence[Path]) -> Iterator[_Screen]:
    """Yield places of one language."""
    while True:
        path = chance.choice(files)
        lines = path.read_text(encoding="utf-8").split("\n")
        number = chance.randrange(_LEAST_LINES // 2, len(lines))
        line = lines[number]
        ends = [found.end() for found in _BEHIND_WORD.finditer(line.rstrip())]
        begin = len(line) - len(line.lstrip())
        ends = [end for end in ends if begin + 2 < end < len(line.rstrip()) - 2]
        if not ends:
            continue
        column = chance.choice(ends)
        typed = "\n".join([*lines[:number], line[:column], *lines[number + 1 :]])
        yield _Screen(
            path=path.relative_to(_ROOT),
            line=number + 1,
            text=typed,
            column=column + 1,
            rest=line[column:],
        )


def _complete(checkout: Path, screens: Sequence[_Screen]) -> list[str]:
    """Return what each place shows, by the code of a checkout."""
    with tempfile.TemporaryDirectory() as name:
        places = []
        for number, screen in enumerate(screens):
            path = Path(name, str(number), screen.path.name)
            path.parent.mkdir()
            path.write_text(screen.text, encoding="utf-8")
            places.append(f"{path}:{screen.line}:{screen.column}")
        done = subprocess.run(
            [sys.executable, "-m", "lsp_server", "complete", *places],
            cwd=checkout,
            env=os.environ
            | {"PYTHONPATH": str(checkout), "MIDFILL_DAEMON_MODE": "never"},
            capture_output=True,
            text=True,
            check=True,
        )
    # Each place's last line, indented, says what it cost.
    return re.split(r"(?m)^ {4}(?:first token|no completion).*\n", done.stdout)[:-1]


def main() -> None:
    """Print the places with what stood there, and both suggestions."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--before", type=Path, required=True, metavar="CHECKOUT")
    parser.add_argument("--count", type=int, default=10)
    parser.add_argument("--seed", type=int, default=11)
    options = parser.parse_args()
    screens = list(_screens(options.seed, options.count))
    before, after = (
        _complete(checkout, screens) for checkout in (options.before.resolve(), _ROOT)
    )
    right = [
        sum(
            each.endswith(f"[{screen.rest.strip()}]")
            for screen, each in zip(screens, map(str.strip, found), strict=True)
        )
        for found in (before, after)
    ]
    print(f"Seed {options.seed}; a suggestion stands in brackets.")
    print(f"Right: {right[0]} before, {right[1]} after, of {len(screens)}.\n")
    for screen, old, new in zip(screens, before, after, strict=True):
        print(f"`{screen.path}`, line {screen.line}; written was `{screen.rest}`\n")
        print(f"```text\nbefore  {old.strip()}\nafter   {new.strip()}\n```\n")


if __name__ == "__main__":
    main()
