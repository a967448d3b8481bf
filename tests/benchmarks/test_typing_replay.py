"""A replay accepts what is right, types over what is wrong, and counts its keys."""

import sys
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

import pytest

from benchmarks.engine_tap import Seen
from benchmarks.typing_events import Event, Played, Spent
from benchmarks.typing_figures import figures_of
from benchmarks.typing_options import EXTRAS, FEATURES, settings_of
from benchmarks.typing_replay import play
from benchmarks.typing_report import (
    by_event_table,
    by_place_table,
    difference_table,
    main_table,
    write_into,
)
from benchmarks.typing_sources import LspSource
from benchmarks.typing_traces import Stretch, Stroke, Trace
from lsp_server.client.headless import HeadlessClient, headless_client
from lsp_server.config import Config
from lsp_server.setting_layers import editor_layer
from lsp_server.settings import resolve

TEXT = "def first():\n    \n\n\ndef second():\n    \n"
ANSWER = "value = compute()"


class NoTap:
    """The engine has no side door here."""

    async def taken(self) -> Sequence[Seen]:
        """Return nothing."""
        return []


@pytest.fixture
async def source(tmp_path: Path) -> AsyncGenerator[LspSource]:
    """A server whose scripted engine always answers the same."""
    options = {
        "engine": {"kind": "scripted"},
        "scripted": {"text": ANSWER + "\n"},
        "daemon": {"mode": "never"},
    }
    command = [sys.executable, "-m", "lsp_server", "serve", "--stdio"]
    async with headless_client(
        command, stderr_path=tmp_path / "log", options=options
    ) as client:
        await client.wait_until_ready(60)
        yield source_of(client)


def source_of(client: HeadlessClient) -> LspSource:
    """Return a source without a tap."""
    return LspSource(client, NoTap(), cancels=True, tells_cursor=True)


def stretch(start: int, text: str, *, slips: int = 0) -> Stretch:
    """Return a stretch that is typed slowly, its first key with a slip."""
    strokes = [Stroke(text=char, gap_ms=60_000) for char in text]
    strokes[0] = Stroke(text=text[0], gap_ms=60_000, slip="x" * slips)
    return Stretch(start=start, removed_chars=0, strokes=tuple(strokes), gap_ms=60_000)


@pytest.mark.parametrize(
    ("typed", "slips", "keys", "accepts"),
    [
        ("value = compute()", 0, 1, [ANSWER]),
        ("value = other()", 0, 2 + len(" other()"), ["value ="]),
        ("total = 1", 0, len("total = 1"), []),
        ("total = 1", 2, len("total = 1") + 4, []),
    ],
    ids=["right", "right by the word", "wrong", "with a slip"],
)
async def test_keys_of_a_place(
    source: LspSource, typed: str, slips: int, keys: int, accepts: Sequence[str]
) -> None:
    """Accepting a ghost takes one key, accepting words one for each."""
    trace = Trace(
        name="f.py",
        language_id="python",
        text=TEXT,
        stretches=(stretch(TEXT.index("\n\n"), typed, slips=slips),),
    )
    played = await play(source, trace, "file:///here", seed=0)
    assert played.text == trace.result()
    assert [each.accepted_chars for each in played.events if each.accepted_chars] == [
        len(each) for each in accepts
    ]
    figures = figures_of([played])
    without = len(typed) + 2 * slips
    assert figures["keys_without_completion"] == without
    assert figures["keys"] == keys
    assert figures["keystrokes_saved"] == round(1 - keys / without, 4)
    right = sum(each.right_chars == len(ANSWER) for each in played.events)
    assert right == (typed == ANSWER)
    assert "none" not in figures["reasons"]


async def test_the_server_learns_how_much_was_accepted(
    source: LspSource, tmp_path: Path
) -> None:
    """By the item's command, as from editors that run it."""
    source.open("file:///f.py", "python", TEXT)
    source.accept(await source.ask("file:///f.py", TEXT.index("\n\n")), 7)
    await source.why_nothing()  # the command was read before
    log = (tmp_path / "log").read_text(encoding="utf-8").splitlines()
    (line,) = [each for each in log if "completion.accepted" in each]
    assert "accepted_chars=7" in line


async def test_other_files_of_the_project_are_open_meanwhile(
    source: LspSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside the file that is typed in, in the same folder."""
    opened: dict[str, str] = {}
    closed: list[str] = []
    monkeypatch.setattr(
        source, "open", lambda uri, _language, text: opened.update({uri: text})
    )
    monkeypatch.setattr(source, "close", closed.append)
    trace = Trace(
        name="f.py", language_id="python", text="", stretches=(), tabs={"g h.py": "x"}
    )
    await play(source, trace, "file:///here", seed=0)
    assert opened == {"file:///here/g%20h.py": "x", "file:///here/f.py": ""}
    assert sorted(closed) == sorted(opened)


async def test_the_cursor_rests_before_anything_is_done_there(
    source: LspSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At each place once, before what stood there is deleted."""
    done: list[tuple[str, int]] = []
    edit = source.edit

    def edited(uri: str, start: int, end: int, text: str) -> None:
        done.append(("edit", start))
        edit(uri, start, end, text)

    monkeypatch.setattr(source, "rest", lambda _uri, at: done.append(("rest", at)))
    monkeypatch.setattr(source, "edit", edited)
    trace = Trace(
        name="f.py",
        language_id="python",
        text="old\n\n",
        stretches=(
            Stretch(start=0, removed_chars=3, strokes=(), gap_ms=300),
            Stretch(start=1, removed_chars=0, strokes=(), gap_ms=300),
        ),
    )
    await play(source, trace, "file:///here", seed=0)
    assert done == [("rest", 3), ("edit", 0), ("rest", 1)]


async def test_a_variant_has_no_settings_of_the_one_before(source: LspSource) -> None:
    """Nothing but what the server was started with, and its own."""
    ghosts = []
    source.open("file:///f.py", "python", TEXT)
    for settings in ({}, {"completion": {"enabled": False}}, {}):
        source.configure(settings)
        ghosts.append((await source.ask("file:///f.py", TEXT.index("\n\n"))).text)
    assert ghosts == [ANSWER, "", ANSWER]


def event(kind: str, at_s: float, *, keys: int = 1, accepted_chars: int = 0) -> Event:
    """Return an event that was answered after 20 ms, with nothing."""
    return Event(
        kind=kind, at_s=at_s, keys=keys, wait_ms=20.0, accepted_chars=accepted_chars
    )


PLAYED = Played(
    trace=Trace(
        name="f", language_id="c", text="", stretches=(stretch(0, "abcdefgh"),)
    ),
    events=(
        event("jump", 1.0, keys=0),
        event("key", 2.0),
        event("accept", 3.0, accepted_chars=7),
    ),
    spent=(
        Spent(asked_s=1.1, prompt_tokens=100, cached_tokens=0, output_tokens=4),
        Spent(asked_s=2.1, prompt_tokens=100, cached_tokens=90, output_tokens=3),
        Spent(asked_s=2.2, prompt_tokens=100, cached_tokens=None, output_tokens=0),
        Spent(
            asked_s=2.5,
            prompt_tokens=100,
            cached_tokens=50,
            output_tokens=7,
            is_ahead=True,
        ),
        Spent(
            asked_s=2.6,
            prompt_tokens=20,
            cached_tokens=None,
            output_tokens=0,
            is_ahead=True,
        ),
        Spent(asked_s=3.1, prompt_tokens=100, cached_tokens=80, output_tokens=0),
    ),
    text="abcdefgh",
)


def test_tokens_are_those_of_the_event_before_them() -> None:
    """Work ahead costs tokens and is of no event; what is unknown is no zero."""
    figures = figures_of([PLAYED])
    new = figures["new_prompt_tokens"]
    assert {kind: new[kind]["p50"] for kind in new} == {
        "all": 20,
        "key": 10,
        "jump": 100,
        "accept": 20,
    }
    assert figures["cached_share"] == round(170 / 300, 4)
    assert figures["cached_share_with_ahead"] == round(220 / 420, 4)
    assert figures["output_tokens_per_accepted_char"] == 2.0
    assert figures["new_prompt_tokens_per_accepted_char"] == round(200 / 7, 2)
    assert figures["keystrokes_saved"] == 0.75


def test_tables_name_every_variant() -> None:
    """A figure that is not there leaves its place empty."""
    cells = [
        {"language": "all", "variant": name, **figures_of(played)}
        for name, played in (("base", [PLAYED]), ("none", []))
    ]
    assert main_table(cells).count("\n") == 3
    assert "| none " in difference_table(cells, "base")
    assert "10 / 10" in by_event_table(cells)
    of_base, of_none = by_place_table(cells).splitlines()[2:]
    assert of_base.count("(0 of 1)") == len(["jump", "key", "accept", "after jump"])
    assert "of" not in of_none


def test_a_page_has_the_tables_of_the_last_result_alone(tmp_path: Path) -> None:
    """Whatever stands around them stays."""
    page = tmp_path / "page.md"
    page.write_text("before <!-- one: begin -->old<!-- one: end --> after")
    result = {
        "date": "today",
        "commit": "0123456789ab",
        "model": "a model",
        "hardware": {"cpu": "a CPU", "cores": 2, "gpu": [], "load_average_1_min": 1.0},
        "note": "",
        "seed": 0,
        "is_patient": False,
        "traces": [{"keys": 7}],
        "base": "base",
        "cells": [{"language": "all", "variant": "base", **figures_of([PLAYED])}],
    }
    write_into(page, result, name="one")
    once = page.read_text()
    assert once.startswith("before ")
    assert once.endswith(" after")
    assert "old" not in once
    assert "7 keys" in once
    assert "](one.svg)" in once
    write_into(page, result, name="one")
    assert page.read_text() == once
    with pytest.raises(ValueError, match="no marks"):
        write_into(page, result, name="another")


@pytest.mark.parametrize("settings", [*FEATURES.values(), *EXTRAS.values()])
def test_a_feature_is_switched_by_settings_that_there_are(settings: str) -> None:
    """Each changes what holds by default, but for what a manifest switches off."""
    layer = editor_layer({"midfill": settings_of(settings)})
    resolved = resolve([layer])
    assert not resolved.problems
    assert (resolved.config != Config()) is (settings != EXTRAS["context"])


def test_settings_are_read_as_values() -> None:
    """Numbers and truth are no texts; keys become those of the protocol."""
    text = "prompt.max_prompt_tokens:512,prompt.healing:false,model.path:a/b"
    assert settings_of(text) == {
        "prompt": {"maxPromptTokens": 512, "healing": False},
        "model": {"path": "a/b"},
    }
    with pytest.raises(ValueError, match="is not SECTION"):
        settings_of("healing:false")
