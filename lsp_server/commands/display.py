"""Colours and progress on a terminal, drawn with rich where they would be seen."""

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import TextIO

from rich.color import ColorSystem
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.style import Style

from lsp_server.commands.terminal import printable

__all__ = ["download_meter", "has_colours", "paint"]

_MEGABYTE = 1_000_000


def has_colours(stream: TextIO) -> bool:
    """Return whether colours would be seen: a terminal, and no wish against them.

    Source: https://no-color.org
    """
    console = Console(file=stream)
    return console.color_system is not None and not console.no_color


def paint(text: str, style: str) -> str:
    """Return ``text`` in a style of rich's, such as ``bold green``, as it stands.

    Rich's own printing would expand the tabs of code, and wrap its lines.
    """
    return Style.parse(style).render(text, color_system=ColorSystem.STANDARD)


@contextlib.contextmanager
def download_meter() -> Iterator[Callable[[str, int, int], None]]:
    """Show the progress of downloads on stderr: bars on a terminal, else a few lines.

    Yields:
        A function that takes a file's name, the bytes fetched and the bytes in all.
    """
    console = Console(file=sys.stderr)
    if not console.is_terminal:
        yield _quarters()
        return
    tasks: dict[str, TaskID] = {}
    with Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        TaskProgressColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(compact=True),
        console=console,
    ) as bars:

        def show(name: str, done: int, total: int) -> None:
            if name not in tasks:
                tasks[name] = bars.add_task(printable(name), total=total)
            bars.update(tasks[name], completed=done)

        yield show


def _quarters() -> Callable[[str, int, int], None]:
    """Return what writes a line for each quarter of a file."""
    written = ("", -1)

    def show(name: str, done: int, total: int) -> None:
        nonlocal written
        percent = 100 * done // total if total else 100
        step = (name, percent // 25 * 25)
        if step != written:
            written = step
            size = f"{total / _MEGABYTE:,.1f} MB"
            sys.stderr.write(f"{printable(name)}: {percent} % of {size}\n")

    return show
