"""The attached server's memory of a conversation, without a daemon or an editor."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lsprotocol import types

from lsp_server.client.attached_documents import AttachedDocuments
from lsp_server.client.attached_messages import ENDING_METHOD
from lsp_server.client.attached_session import AttachedSession
from lsp_server.protocol.documents import Documents
from lsp_server.protocol.framing import SkippedFrame
from lsp_server.protocol.lines import PositionEncoding

Json = dict[str, object]
URI = "file:///a.py"
A_GONE: Json = {"added": None, "removed": [{"uri": "file:///a"}]}


def body(method: str, params: object = None, **extra: object) -> bytes:
    """Return a message."""
    message = {"jsonrpc": "2.0", "method": method, "params": params, **extra}
    return json.dumps(message).encode()


def read(bodies: list[bytes]) -> list[Json]:
    """Return messages as objects."""
    return [json.loads(each) for each in bodies]


def opened(*, status: bool = False) -> AttachedSession:
    """Return a session whose editor is introduced, and has a document open."""
    session = AttachedSession()
    wishes = {"experimental": {"midfill": {"status": True}}} if status else {}
    session.from_editor(body("initialize", {"capabilities": wishes}, id=1))
    session.connected()
    result = {"capabilities": {"positionEncoding": "utf-8"}}
    answer = json.dumps({"jsonrpc": "2.0", "id": 1, "result": result}).encode()
    assert [answer] == session.from_daemon(answer)
    session.from_editor(body("initialized", {}))
    document = {"uri": URI, "languageId": "python", "version": 1, "text": "é = 1\n"}
    session.from_editor(body("textDocument/didOpen", {"textDocument": document}))
    return session


def test_another_daemon_gets_what_the_last_one_knew() -> None:
    """In the order of LSP, with the text and the version of now."""
    session = opened()
    settings = body("workspace/didChangeConfiguration", {"settings": {"midfill": {}}})
    session.from_editor(settings)
    for event in ({"added": [{"uri": "file:///a"}, {"uri": "file:///b"}]}, A_GONE, 7):
        changed = body("workspace/didChangeWorkspaceFolders", {"event": event})
        session.from_editor(changed)
    session.lost()
    # While there is no daemon: the columns count bytes, as agreed with the last one.
    at = {"line": 0, "character": 2}
    change = {"range": {"start": at, "end": at}, "text": "e"}
    document = {"uri": URI, "version": 5}
    params = {"textDocument": document, "contentChanges": [change]}
    session.from_editor(body("textDocument/didChange", params))
    first, second, third, fourth = read(session.connected())
    assert ("initialize", "initialized") == (first["method"], second["method"])
    folders = {"capabilities": {}, "workspaceFolders": [{"uri": "file:///b"}]}
    assert folders == first["params"]
    assert "workspace/didChangeConfiguration" == third["method"]
    now = {"uri": URI, "languageId": "python", "version": 5, "text": "ée = 1\n"}
    assert {"textDocument": now} == fourth["params"]
    # Its answer is not for the editor.
    answer = json.dumps({"jsonrpc": "2.0", "id": first["id"], "result": {}}).encode()
    assert [] == session.from_daemon(answer)


@pytest.mark.parametrize(
    ("method", "result"),
    [
        ("textDocument/inlineCompletion", []),
        ("shutdown", None),
        ("midfill/trace", None),
    ],
)
def test_requests_in_flight_are_answered(method: str, result: object) -> None:
    """With nothing, when the daemon goes and while there is none; never twice."""
    session = opened()
    asked = body(method, {}, id="a")
    assert [asked] == session.from_editor(asked).to_daemon
    answers = [m for m in read(session.lost()) if m.get("id") == "a"]
    assert [{"jsonrpc": "2.0", "id": "a", "result": result}] == answers
    later = read(session.from_editor(body(method, {}, id="b")).to_editor)
    assert [{"jsonrpc": "2.0", "id": "b", "result": result}] == later
    session.connected()
    late = json.dumps({"jsonrpc": "2.0", "id": "a", "result": []}).encode()
    assert [] == session.from_daemon(late)


def test_replies_to_a_dead_daemon_are_dropped() -> None:
    """The next one has asked nothing of the kind; its own questions are answered."""
    session = opened()
    session.from_daemon(body("window/workDoneProgress/create", {"token": "t"}, id="q"))
    session.lost()
    session.connected()
    reply = json.dumps({"jsonrpc": "2.0", "id": "q", "result": None}).encode()
    assert [] == session.from_editor(reply).to_daemon
    session.from_daemon(body("window/workDoneProgress/create", {"token": "t"}, id="q"))
    assert [reply] == session.from_editor(reply).to_daemon


def test_bars_end_and_messages_come_once() -> None:
    """The user sees one bar less and one message more, whatever the next one says."""
    session = opened()
    value = {"kind": "begin", "title": "Midfill"}
    session.from_daemon(body("$/progress", {"token": "t", "value": value}))
    warning = body("window/showMessage", {"type": 2, "message": "a bad setting"})
    assert [warning] == session.from_daemon(warning)
    reported = read(session.lost())
    assert ["$/progress", "window/showMessage"] == [each["method"] for each in reported]
    session.connected()
    assert [] == session.from_daemon(warning)
    # Later losses are for the log.
    assert ["window/logMessage"] == [each["method"] for each in read(session.lost())]


@pytest.mark.parametrize(
    ("reason", "method"),
    [("stop", "window/showMessage"), ("restart", "window/logMessage")],
)
def test_an_end_in_order_has_its_own_message(reason: str, method: str) -> None:
    """Who stops a daemon reads what brings it back; the notification stays here."""
    session = opened()
    assert [] == session.from_daemon(body(ENDING_METHOD, {"reason": reason}))
    assert reason == session.ending
    assert [method] == [each["method"] for each in read(session.lost())]


@pytest.mark.parametrize(
    ("reason", "states"),
    [("stop", ["error"]), ("restart", ["restarting"]), ("", ["restarting"])],
)
def test_a_status_says_whether_a_daemon_comes_back(
    reason: str, states: list[str]
) -> None:
    """An editor that waits for one that was stopped would wait for ever."""
    session = opened(status=True)
    if reason:
        session.from_daemon(body(ENDING_METHOD, {"reason": reason}))
    assert states == states_in(session.lost())
    # What is tried again after a pause is an error each time, and a message once.
    assert ["error"] == states_in(session.failed("why"))
    assert ["midfill/status"] == [m["method"] for m in read(session.failed("why"))]


def states_in(bodies: list[bytes]) -> list[object]:
    """Return the states of the notifications of the status."""
    found = [json.loads(each)["params"] for each in bodies]
    return [params["state"] for params in found if "state" in params]


def test_a_message_too_long_puts_its_document_out_of_step() -> None:
    """In this daemon and in the next one, until the document is whole again."""
    session = opened()
    ends = b'{"method":"textDocument/didChange","params":{"uri":"%b"' % URI.encode()
    routed = session.skipped(SkippedFrame(1 << 30, ends))
    [lost] = read(routed.to_daemon)
    assert {"textDocument": {"uri": URI}} == lost["params"]
    session.lost()
    assert lost == read(session.connected())[-1]


texts = st.text(st.sampled_from("aé😀\r\n\x0c\u2028x "), max_size=12)
places = st.fixed_dictionaries(
    {"line": st.integers(0, 4), "character": st.integers(0, 6)}
)


@given(
    text=texts,
    edits=st.lists(st.tuples(places, places, texts), max_size=5),
    encoding=st.sampled_from(PositionEncoding),
)
def test_documents_equal_the_daemons(
    text: str,
    edits: list[tuple[dict[str, int], dict[str, int], str]],
    encoding: PositionEncoding,
) -> None:
    """Whatever an editor sends, both hold the same text, or neither a whole one."""
    ours, theirs = AttachedDocuments(), Documents(encoding)
    ours.encoding = encoding
    item = {"uri": URI, "languageId": "x", "version": 0, "text": text}
    ours.follow("textDocument/didOpen", {"textDocument": item})
    theirs.open(types.TextDocumentItem(URI, "x", 0, text))
    for version, (start, end, new) in enumerate(edits, 1):
        edited = {"start": start, "end": end}
        document = {"uri": URI, "version": version}
        changes = [{"range": edited, "text": new}]
        params = {"textDocument": document, "contentChanges": changes}
        ours.follow("textDocument/didChange", params)
        theirs.change(
            types.DidChangeTextDocumentParams(
                types.VersionedTextDocumentIdentifier(version, URI),
                [
                    types.TextDocumentContentChangePartial(
                        types.Range(types.Position(**start), types.Position(**end)), new
                    )
                ],
            )
        )
    current = theirs.current(URI)
    opening = ours.opening()
    assert (current is not None) is (1 == len(opening))
    if current is not None:
        assert {
            "textDocument": {**item, "text": current.text, "version": len(edits)}
        } == (opening[0][1])
