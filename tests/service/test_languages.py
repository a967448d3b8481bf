"""What the engine writes becomes what is shown, in every language, asked by hand."""

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lsp_server.engine.scripted import ScriptedEngine
from lsp_server.service.completion import CompletionService
from lsp_server.service.typed_ahead import TypedAhead
from lsp_server.values import Snapshot, Trigger

MakeService = Callable[..., tuple[CompletionService, ScriptedEngine]]

CURSOR = "▮"
FILES = sorted((Path(__file__).parents[1] / "golden" / "languages").glob("*.toml"))
CASES = [
    pytest.param(case, id=f"{path.stem}-{number}-{case['language']}")
    for path in FILES
    for number, case in enumerate(tomllib.loads(path.read_text("utf-8"))["case"], 1)
]


@pytest.mark.parametrize("case", CASES)
async def test_what_is_shown(make_service: MakeService, case: dict[str, Any]) -> None:
    """Each case's text is cut, and indented, as its language wants it."""
    snapshot = Snapshot(
        uri="file:///a",
        language_id=case["language"],
        version=1,
        text=case["text"].replace(CURSOR, ""),
        offset=case["text"].index(CURSOR),
    )
    service, _ = make_service(case["model"])
    result = await service.complete(
        snapshot, request_id="r1", trigger=Trigger.INVOKED, typed=TypedAhead()
    )
    shown = [completion.text for completion in result.completions]
    assert [case[key] for key in ("want",) if key in case] == shown
    assert case.get("reason") == (result.reason and result.reason.word)
