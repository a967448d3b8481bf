"""What an editor's list has selected is gone on from, as if it were typed."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from fault_backends import EchoBackend, completion
from piped_editor import Connect, Editor, Json

from lsp_server.config import Config, EngineConfig, EngineKind, ScriptConfig
from lsp_server.outcomes import Completion
from lsp_server.service.engine_start import starter_of
from lsp_server.service.local_backend import LocalBackend
from lsp_server.values import Snapshot

Open = Callable[[str], Awaitable[Editor]]


@pytest.fixture
async def scripted(connect: Connect) -> Open:
    """Connect to a server that writes a text, with the shipped model's prompts."""

    async def connect_scripted(text: str) -> Editor:
        config = Config(
            engine=EngineConfig(kind=EngineKind.SCRIPTED),
            scripted=ScriptConfig(text=text),
        )
        editor = await connect(LocalBackend(config, starter_of(EngineKind.SCRIPTED)))
        await editor.initialize()
        await editor.wait_until_ready()
        return editor

    return connect_scripted


def selected(text: str, start: int, end: int, *, last_line: int = 0) -> Json:
    """Describe a selected item of the editor's list."""
    replaced = {
        "start": {"line": 0, "character": start},
        "end": {"line": last_line, "character": end},
    }
    return {"range": replaced, "text": text}


async def trace(editor: Editor) -> dict[str, Any]:
    """Ask what came of the last request."""
    result = (await editor.request("midfill/trace", {}))["result"]
    assert isinstance(result, dict)
    return result


@pytest.mark.parametrize("kind", [1, 2])
@pytest.mark.parametrize(
    ("line", "place", "item"),
    [
        ("x = pri", (4, 7), "print"),
        # Two units for the train, one for each of the others.
        ('y = "é🚄"; pri', (11, 14), "print"),
        # The list's item is spelt in another way than what is typed.
        ('"🚄"; PRI', (6, 9), "print_🚄all"),
        # It is chosen with nothing typed, and with code right of the cursor.
        ("x.", (2, 2), "append"),
        ("x = pri\n\ny = 2", (4, 7), "print"),
    ],
)
async def test_the_item_is_gone_on_from(
    scripted: Open,
    kind: int,
    line: str,
    place: tuple[int, int],
    item: str,
) -> None:
    """The prompt holds it in place of what is typed, and so does the answer."""
    editor = await scripted("(1)\n")
    editor.open(line)
    found = await editor.complete(
        0, place[1], triggerKind=kind, selectedCompletionInfo=selected(item, *place)
    )
    replaced = selected(item, *place)["range"]
    assert [(f"{item}(1)", replaced)] == [(i["insertText"], i["range"]) for i in found]
    reported = await trace(editor)
    # The end of it may be held back from the prompt, for the model to write.
    assert item[:2] in reported["prompt"] + reported["generated"][0]
    assert "PRI" not in reported["prompt"]


@pytest.mark.parametrize(
    ("text", "selection", "sentence"),
    [
        (" \n", selected("print", 4, 7), "nothing but blanks"),
        ("(1)\n", selected("print", 7, 4), "reversed"),
        ("(1)\n", selected("print", 4, 0, last_line=1), "not within one line"),
    ],
)
async def test_nothing_comes_with_a_reason(
    scripted: Open, text: str, selection: Json, sentence: str
) -> None:
    """It costs this request alone: the next one is answered."""
    editor = await scripted(text)
    editor.open("x = pri\n")
    assert [] == await editor.complete(
        0, 7, triggerKind=1, selectedCompletionInfo=selection
    )
    assert sentence in str((await trace(editor))["reason"])
    if text.strip():
        assert 1 == len(await editor.complete(0, 7, triggerKind=1))


async def test_a_suggestion_that_goes_another_way_is_no_item(
    connect: Connect,
) -> None:
    """One that replaces more than the list's item would is left out, and that said."""

    class Other(EchoBackend):
        async def answer(self, snapshot: Snapshot) -> tuple[Completion, ...]:
            return (completion(snapshot, "other", start=4),)

    editor = await connect(Other())
    await editor.initialize()
    editor.open("x = pri")
    assert [] == await editor.complete(
        0, 7, selectedCompletionInfo=selected("print", 4, 7)
    )
    assert "does not go on from the item" in str((await trace(editor))["reason"])
