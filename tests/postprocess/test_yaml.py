"""No text of YAML that is right by itself makes a file that parsed stop parsing."""

import json
from collections.abc import Iterator
from itertools import product
from typing import Any, TypeAlias

import pytest
import yaml

from lsp_server.context.cursor import CursorContext
from lsp_server.postprocess.pipeline import postprocess
from lsp_server.service.trigger import choose_scope
from lsp_server.values import Snapshot, Trigger

Json: TypeAlias = dict[str, Any] | list[Any]
Style: TypeAlias = tuple[int, int]

DATA: Json = {
    "name": "build",
    "when": {"push": {"branches": ["main", "next"]}, "at": [{"cron": "0 4 * * 1"}]},
    "jobs": {
        "test": {
            "runs-on": "linux",
            "steps": [
                {"uses": "checkout", "with": {"depth": 1, "tags": ["a: b", "#c"]}},
                {"name": "Test", "run": "make\nmake test\n", "env": {"CI": True}},
                [1, {"x": {"y": [2]}}],
            ],
            "needs": ["lint"],
        },
        "lint": {"steps": [{"run": "make lint"}]},
    },
}
STYLES = [(2, 0), (2, 2), (4, 0), (4, 4), (4, 2)]
"""Columns from a key to keys below it, and to the items of a list."""


def written(value: Json, style: Style, column: int = 0) -> Iterator[str]:
    """Yield the lines of a mapping or a list, the same number in each style."""
    keys, items = style
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in pairs:
        head = " " * column + (f"{key}:" if isinstance(value, dict) else "-")
        if isinstance(value, list) and isinstance(inner, dict | list):
            first, *rest = written(inner, style, column + 2)
            yield f"{head} {first.lstrip()}"
            yield from rest
        elif isinstance(inner, dict | list):
            yield head
            step = items if isinstance(inner, list) else keys
            yield from written(inner, style, column + step)
        elif isinstance(inner, str) and "\n" in inner:
            yield f"{head} |"
            yield from (" " * (column + keys) + each for each in inner.splitlines())
        else:
            yield f"{head} {json.dumps(inner)}"


def parses(text: str) -> bool:
    """Return whether this is YAML."""
    try:
        yaml.safe_load(text)
    except yaml.YAMLError:
        return False
    return True


def holes(lines: list[str]) -> Iterator[tuple[int, int]]:
    """Yield the ranges of lines that can be taken away: keys and items, whole."""
    places = [
        (len(each) - len(each.lstrip()), each.lstrip().startswith("-"))
        for each in lines
    ]
    for at in range(1, len(lines)):
        column, is_item = places[at]
        for end in range(at + 1, min(at + 7, len(lines))):
            inner, is_inner_item = places[end]
            if inner < column or (inner == column and is_inner_item <= is_item):
                yield at, end
            if inner < column:
                break


@pytest.mark.parametrize(("own", "model"), list(product(STYLES, STYLES)))
def test_a_file_that_parsed_parses(own: Style, model: Style) -> None:
    """At each line of a file, whatever widths and lists the model writes.

    Where it writes as the document does nothing is changed.
    """
    ours, theirs = list(written(DATA, own)), list(written(DATA, model))
    assert DATA == yaml.safe_load("\n".join(ours))
    shown = right = 0
    cases = product(holes(ours), (True, False), Trigger)
    for (at, end), is_at_margin, trigger in cases:
        before = "\n".join(ours[:at])
        after = "\n".join(["", *ours[end:], ""])
        want = "\n".join(["", *ours[at:end]])
        text = "\n".join(["", *theirs[at:end], ""])
        if is_at_margin:
            before, want, text = f"{before}\n", want[1:], text[1:]
        elif not ours[at - 1].endswith(":"):
            first = ours[at]
            blanks = first[: len(first) - len(first.lstrip())]
            before, want, text = f"{before}\n{blanks}", want.lstrip(), text.lstrip()
        assert parses(before + after)
        snapshot = Snapshot(
            uri="file:///a.yaml",
            language_id="yaml",
            version=1,
            text=before + after,
            offset=len(before),
        )
        cursor = CursorContext.of(snapshot)
        scope = choose_scope(cursor, trigger, into_blocks=True)
        outcome = postprocess(text, cursor, scope)
        if outcome.text is None:
            continue
        assert parses(before + outcome.text + after), (before, text, outcome.text)
        shown += 1
        right += want.startswith(outcome.text)
        if own == model:
            assert want.startswith(outcome.text), (before, text, outcome.text, after)
    assert shown > len(ours) / 2
    assert right > shown * 0.75
