"""Obtains editors side by side, and says what came of each."""

import argparse
import sys
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from obtain.catalogue import Editor, editors
from obtain.record import FOLDER, Record, UnobtainableError

AT_ONCE = 4
"""Downloads wait for the network more than they compute."""

RETRY_AFTER_S = 3600


def stands(editor: Editor, *, named: bool) -> Record | None:
    """Return the record of an editor if it needs no other attempt.

    Args:
        editor: The editor.
        named: Whether it was asked for by its name; else what could not be had is
            tried again after an hour only.
    """
    record = Record.read(editor.name)
    if record is None or record.recipe != editor.recipe:
        return None
    if record.reason:
        tried_again = named or record.age_s() > RETRY_AFTER_S
        return None if tried_again else record
    return record if (FOLDER / "bin" / editor.name).exists() else None


def obtain(editor: Editor, needed: "Future[Record] | None") -> Record:
    """Obtain one editor, after the one that it needs; the reason says why if not."""
    started = time.monotonic()
    try:
        if needed is not None and (missing := needed.result()).reason:
            raise UnobtainableError(f"it needs {missing.name}: {missing.reason}")
        version, checksums = editor.obtain()
        record = Record(
            name=editor.name,
            recipe=editor.recipe,
            version=version,
            seconds=round(time.monotonic() - started, 1),
            checksums=checksums,
        )
    except UnobtainableError as exc:
        record = Record(name=editor.name, recipe=editor.recipe, reason=str(exc))
    record.write()
    return record


def say(record: Record) -> None:
    """Print one line about an editor."""
    if record.reason:
        print(
            f"    {record.name}: NOT OBTAINED, its tests are skipped: {record.reason}"
        )
    else:
        print(f"    {record.name} {record.version} ({record.seconds:.0f} s)")


def main(arguments: Sequence[str] | None = None) -> int:
    """Obtain what is named; what cannot be had is said, and is no failure."""
    catalogue = {editor.name: editor for editor in editors()}
    parser = argparse.ArgumentParser(prog="obtain", description=__doc__)
    parser.add_argument("name", nargs="*", help=f"of {', '.join(catalogue)}")
    named = set(parser.parse_args(arguments).name)
    if unknown := sorted(named - set(catalogue)):
        parser.error(f"no such editor: {', '.join(unknown)}")
    wanted = named or set(catalogue)
    # What an editor needs comes before it in the catalogue.
    for editor in reversed(catalogue.values()):
        if editor.name in wanted and editor.needs:
            wanted.add(editor.needs)
    started = time.monotonic()
    print("==> obtaining the editors that the tests drive", flush=True)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        begun: dict[str, Future[Record]] = {}
        for name, editor in catalogue.items():
            if name in wanted and (record := stands(editor, named=name in named)):
                begun[name] = Future()
                begun[name].set_result(record)
            elif name in wanted:
                begun[name] = pool.submit(obtain, editor, begun.get(editor.needs))
        for future in begun.values():
            say(future.result())
    print(f"==> done in {time.monotonic() - started:.0f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
