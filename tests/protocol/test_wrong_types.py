"""A number or a text of a wrong type is refused, and never read as another one.

Source: Language Server Protocol 3.17, "Base Types": an unsigned integer is one from 0
to 2^31 - 1.
"""

import json

import pytest
from fault_backends import EchoBackend
from piped_editor import URI, Editor, Json, completion_params, error_code

from lsp_server.client.attached_documents import AttachedDocuments, desynchronising

NO_NUMBERS = [1.5, 0.0, "0", True, None, [0], 2**31]
REQUEST = "textDocument/inlineCompletion"


def at(line: object) -> Json:
    """Return an empty range in the first column of a line."""
    place = {"line": line, "character": 0}
    return {"start": place, "end": place}


@pytest.mark.parametrize("value", [*NO_NUMBERS, -1], ids=json.dumps)
@pytest.mark.parametrize("key", ["line", "character"])
async def test_a_position_of_a_wrong_type_costs_its_request_alone(
    editor: Editor, key: str, value: object
) -> None:
    """It is answered with InvalidParams, and the document goes on."""
    editor.open("x = 1\ny")
    params = completion_params()
    params["position"] = {"line": 0, "character": 0, key: value}
    assert -32602 == error_code(await editor.request(REQUEST, params))
    assert 1 == len(await editor.complete())


@pytest.mark.parametrize(
    "wrong",
    [
        {"textDocument": {"uri": None}},
        {"context": {"triggerKind": True}},
        {"context": {"triggerKind": 1.0}},
        {
            "context": {
                "triggerKind": 1,
                "selectedCompletionInfo": {"range": at(0), "text": None},
            }
        },
    ],
    ids=json.dumps,
)
async def test_so_does_all_else_that_a_request_holds(
    editor: Editor, wrong: Json
) -> None:
    """A trigger, a name, the text that is selected in a list."""
    editor.open("x = 1\ny")
    params = completion_params() | wrong
    assert -32602 == error_code(await editor.request(REQUEST, params))
    assert 1 == len(await editor.complete())


CHANGES: list[tuple[object, object]] = [
    *((2, [{"text": "z", "range": at(value)}]) for value in [*NO_NUMBERS, -1]),
    *((version, [{"text": "z"}]) for version in [2.5, 2.0, "2", True, None, 2**31]),
    *((2, [{"text": text}]) for text in [None, 5, ["z"]]),
    (2, [None]),
    (2, ["z"]),
    (2, [{"text": "z", "range": at(0)}, {"text": "z", "range": at(0.0)}]),
]


@pytest.mark.parametrize(("version", "changes"), CHANGES, ids=json.dumps)
async def test_a_change_that_is_none_silences_its_document_until_it_is_whole(
    editor: Editor, backend: EchoBackend, version: object, changes: object
) -> None:
    """Nobody completes in a text that the editor does not have."""
    editor.open("x")
    editor.open("x", uri=f"{URI}.other")
    document = {"uri": URI, "version": version}
    params = {"textDocument": document, "contentChanges": changes}
    editor.notify("textDocument/didChange", params)
    assert [] == await editor.complete()
    assert 1 == len(await editor.complete(uri=f"{URI}.other"))
    editor.change(3, {"text": "whole"})
    assert 1 == len(await editor.complete())
    assert "whole" == backend.snapshots[-1].text


@pytest.mark.parametrize(("version", "changes"), CHANGES, ids=json.dumps)
def test_the_attached_server_opens_it_as_such_at_the_next_daemon(
    version: object, changes: object
) -> None:
    """What one daemon did not take, the next one does not get as text."""
    documents = AttachedDocuments()
    opened = {"uri": URI, "languageId": "python", "version": 1, "text": "x"}
    documents.follow("textDocument/didOpen", {"textDocument": opened})
    document = {"uri": URI, "version": version}
    params = {"textDocument": document, "contentChanges": changes}
    documents.follow("textDocument/didChange", params)
    assert desynchronising(URI) == documents.opening()[-1]


@pytest.mark.parametrize("before", [[], [{"text": "y", "range": at(0)}]])
async def test_a_range_that_is_null_is_none(
    editor: Editor, backend: EchoBackend, before: list[Json]
) -> None:
    """Clients that write every field send the whole text so."""
    editor.open("x")
    editor.change(2, *before, {"text": "all of it", "range": None})
    assert 1 == len(await editor.complete())
    assert "all of it" == backend.snapshots[-1].text


@pytest.mark.parametrize(
    "wrong", [{"text": None}, {"text": 5}, {"version": True}, {"version": 1.5}]
)
async def test_a_document_that_is_none_is_not_opened(
    editor: Editor, wrong: Json
) -> None:
    """Null was the text `None`."""
    opened = {"uri": URI, "languageId": "python", "version": 1, "text": "x"} | wrong
    editor.notify("textDocument/didOpen", {"textDocument": opened})
    assert [] == await editor.complete()
    documents = AttachedDocuments()
    documents.follow("textDocument/didOpen", {"textDocument": opened})
    assert [] == documents.opening()


@pytest.mark.parametrize("language_id", [None, 5, True, ["c"], {"a": 1}])
async def test_a_language_that_is_no_text_is_an_unknown_one(
    editor: Editor, language_id: object
) -> None:
    """Some editors have none for a file; its text is known all the same."""
    opened = {"uri": URI, "languageId": language_id, "version": 1, "text": "x"}
    editor.notify("textDocument/didOpen", {"textDocument": opened})
    assert 1 == len(await editor.complete())
    traced = (await editor.request("midfill/trace"))["result"]
    assert isinstance(traced, dict)
    assert "" == traced["language"]
