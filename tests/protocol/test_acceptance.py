"""An editor tells that an item was accepted, and how much of it."""

import logging

import pytest
from fault_backends import EchoBackend
from piped_editor import Editor, error_code

METHOD = "workspace/executeCommand"
COMMAND = "midfill.accepted"


async def test_an_items_own_command_is_logged_with_counts(
    editor: Editor, backend: EchoBackend, caplog: pytest.LogCaptureFixture
) -> None:
    """The editor sends the command back as it came; parts of an item count so far."""
    caplog.set_level(logging.INFO)
    editor.open("x")
    (item,) = await editor.complete()
    command = item["command"]
    assert isinstance(command, dict)
    assert ("Midfill: accepted", COMMAND) == (command["title"], command["command"])
    assert [{"id": "c", "acceptedChars": 4}] == command["arguments"]
    for chars in (2, 4, 9):
        params = {
            "command": COMMAND,
            "arguments": [{"id": "c", "acceptedChars": chars}],
        }
        assert (await editor.request(METHOD, params))["result"] is None
    accepted = [vars(r) for r in caplog.records if r.msg == "completion.accepted"]
    assert [2, 4, 4] == [each["accepted_chars"] for each in accepted]
    assert {("c", 4)} == {(e["request_id"], e["offered_chars"]) for e in accepted}
    assert 1 == len(backend.snapshots)


async def test_an_unknown_id_is_accepted_quietly(
    editor: Editor, caplog: pytest.LogCaptureFixture
) -> None:
    """It may be of an earlier server; what it says is not logged."""
    caplog.set_level(logging.DEBUG)
    params = {"command": COMMAND, "arguments": [{"id": "se cret", "acceptedChars": 3}]}
    assert (await editor.request(METHOD, params))["result"] is None
    assert "se cret" not in "".join(str(vars(record)) for record in caplog.records)


@pytest.mark.parametrize(
    "params",
    [
        {"command": "midfill.other", "arguments": []},
        {"command": COMMAND},
        {"command": COMMAND, "arguments": []},
        {"command": COMMAND, "arguments": [None]},
        {"command": COMMAND, "arguments": ["c", 3]},
        {"command": COMMAND, "arguments": [{"id": "c"}]},
        {"command": COMMAND, "arguments": [{"id": 3, "acceptedChars": 3}]},
        {"command": COMMAND, "arguments": [{"id": "c", "acceptedChars": -1}]},
        {"command": COMMAND, "arguments": [{"id": "c", "acceptedChars": True}]},
        {"command": COMMAND, "arguments": [{"id": "c", "acceptedChars": "3"}]},
    ],
)
async def test_a_command_that_does_not_fit_is_a_clear_error(
    editor: Editor, params: object
) -> None:
    """The reply says what is taken, and the next request is answered."""
    reply = await editor.request(METHOD, params)
    assert -32602 == error_code(reply)
    error = reply["error"]
    assert isinstance(error, dict)
    assert COMMAND in str(error["message"])
    editor.open("x")
    assert 1 == len(await editor.complete())
