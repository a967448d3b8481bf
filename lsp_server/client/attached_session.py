"""What the attached server knows of the conversation that it forwards.

Enough to go on with another daemon when one dies: what the editor has said of itself,
its settings and its documents; which requests nobody answers any more; which progress
bars nobody ends. Nothing here reads or writes.
"""

from lsp_server.client.attached_documents import (
    AttachedDocuments,
    desynchronising,
    with_folders,
)
from lsp_server.client.attached_messages import (
    DAEMON_WORDS,
    ENDING_METHOD,
    INFO,
    NOT_INITIALIZED,
    PARSE_ERROR,
    REQUEST_FAILED,
    WARNING,
    LossWords,
    Message,
    MessageId,
    Routed,
    answer_without_daemon,
    bar_end,
    encoded,
    error_reply,
    id_of,
    log_message,
    notification,
    read_object,
    restarting_status,
    show_message,
    value_at,
    without_daemon_status,
)
from lsp_server.protocol.framing import SkippedFrame, uris_in
from lsp_server.protocol.lines import PositionEncoding

__all__ = ["AttachedSession"]

_REPLAY_ID = "midfill-replay"
"""The id of an ``initialize`` that the editor did not send to this daemon."""

_MOST_SETTINGS = 64
"""Changes of settings that are repeated, the newest ones."""


class AttachedSession:
    """One editor's conversation with one daemon after the other.

    Args:
        words: What the user reads when it is lost and when it is back.

    Attributes:
        shut_down: Whether the editor has asked for the end.
        exited: Whether the editor has said ``exit``.
        ending: Why the daemon said that it ends; empty where it did not.
        options: The editor's ``initializationOptions``.
        process_id: The editor's process; None where it did not say.
    """

    def __init__(self, words: LossWords = DAEMON_WORDS) -> None:
        self._words = words
        self.shut_down = False
        self.exited = False
        self.ending = ""
        self.options: object = None
        self.process_id: int | None = None
        self._documents = AttachedDocuments()
        self._initialize: Message | None = None
        self._is_answered = False
        self._is_initialized = False
        self._wants_status = False
        self._settings: list[bytes] = []
        self._pending: dict[MessageId, str] = {}
        self._asked: set[MessageId] = set()
        self._stale: set[MessageId] = set()
        self._bars: list[int | str] = []
        self._shown: set[str] = set()
        self._is_connected = False
        self._losses = 0

    def from_editor(self, body: bytes) -> Routed:
        """Follow a message of the editor; return where it goes or what answers it."""
        message = read_object(body)
        if message is None:
            if self._is_connected:
                return Routed(to_daemon=[body])
            return Routed(to_editor=[error_reply(None, PARSE_ERROR, "it is not JSON")])
        method, message_id = message.get("method"), message.get("id")
        if not isinstance(method, str):
            return self._response(body, message_id)
        self._follow(method, message, body)
        if not isinstance(message_id, int | str):
            return Routed(to_daemon=[body] if self._is_connected else [])
        if self._is_connected:
            self._pending[message_id] = method
            return Routed(to_daemon=[body])
        return self._alone(method, message_id)

    def skipped(self, skipped: SkippedFrame) -> Routed:
        """Answer a message of the editor that is too long; its documents are lost."""
        named, known = uris_in(skipped.ends), set(self._documents.uris)
        lost = (named & known) or known
        routed = Routed()
        for uri in sorted(lost):
            self._documents.lose(uri)
            routed.to_daemon.append(notification(*desynchronising(uri)))
        if not self._is_connected:
            routed.to_daemon.clear()
        why = f"a message of {skipped.length_bytes} bytes is too long"
        routed.to_editor.append(error_reply(None, PARSE_ERROR, why))
        return routed

    def from_daemon(self, body: bytes) -> list[bytes]:
        """Follow a message of the daemon, and return what the editor gets."""
        message = read_object(body)
        if message is None:
            return [body]
        method, message_id = message.get("method"), message.get("id")
        if not isinstance(method, str):
            return self._reply(body, message)
        if isinstance(message_id, int | str):
            self._asked.add(message_id)
            return [body]
        return [body] if self._passes(method, message.get("params")) else []

    def connected(self) -> list[bytes]:
        """Begin with a daemon; return what brings it to where the last one was."""
        self._is_connected = True
        self.ending = ""
        if self._initialize is None:
            return []
        first = dict(self._initialize)
        if self._is_answered:
            first["id"] = _REPLAY_ID
        else:
            self._pending[id_of(first)] = "initialize"
        bodies = [encoded(first)]
        if self._is_initialized:
            bodies.append(notification("initialized", {}))
        bodies += self._settings
        bodies += [notification(*each) for each in self._documents.opening()]
        return bodies

    def back(self) -> list[bytes]:
        """Return what the editor gets once another daemon serves it."""
        return [log_message(INFO, self._words.back)] if self._losses else []

    def lost(self) -> list[bytes]:
        """Answer for a daemon that has gone; return what the editor gets."""
        self._is_connected = False
        self._losses += 1
        self._stale |= self._asked
        self._asked.clear()
        bodies = []
        for message_id, method in self._pending.items():
            if method != "initialize":
                bodies += self._alone(method, message_id).to_editor
        self._pending.clear()
        for token in self._bars:
            bodies.append(bar_end(token))
        self._bars.clear()
        if self.shut_down or not self._is_answered:
            return bodies
        words = self._words
        if self.ending == "stop":
            bodies += self._without_daemon(words.stopped, words.start)
            return [*bodies, show_message(f"{words.stopped} {words.start}")]
        if self._wants_status:
            bodies.append(restarting_status(words.restarting, self._losses))
        if self.ending == "restart" or words.died in self._shown:
            return [*bodies, log_message(WARNING, words.died)]
        self._shown.add(words.died)
        return [*bodies, show_message(words.died)]

    def refuse(self, why: str) -> list[bytes]:
        """Return the error that answers ``initialize`` where there is no daemon."""
        if self._initialize is None or self._is_answered:
            return []
        return [error_reply(id_of(self._initialize), REQUEST_FAILED, why)]

    def failed(self, why: str) -> list[bytes]:
        """Return the news that there is no daemon; the message for the user once."""
        if not self._is_answered:
            return []
        text = f"Midfill offers no completions: {why}"
        bodies = self._without_daemon(text, "")
        if text not in self._shown:
            self._shown.add(text)
            bodies.append(show_message(text))
        return bodies

    def _without_daemon(self, why: str, remedy: str) -> list[bytes]:
        """Return the status that there is no daemon, for an editor that wants it."""
        return [without_daemon_status(why, remedy)] if self._wants_status else []

    def _follow(self, method: str, message: Message, body: bytes) -> None:
        """Remember what another daemon would have to know."""
        params = message.get("params")
        if method == "initialize" and self._initialize is None:
            if isinstance(message.get("id"), int | str):
                self._initialize = message
                self._introduced(params)
        elif method == "initialized":
            self._is_initialized = True
        elif method == "shutdown":
            self.shut_down = self._initialize is not None
        elif method == "exit":
            self.exited = True
        elif method == "workspace/didChangeConfiguration":
            self._settings = [*self._settings[1 - _MOST_SETTINGS :], body]
        elif method == "workspace/didChangeWorkspaceFolders" and self._initialize:
            self._initialize = with_folders(self._initialize, params)
        else:
            self._documents.follow(method, params)

    def _introduced(self, params: object) -> None:
        """Read what the editor says of itself."""
        if not isinstance(params, dict):
            return
        self.options = params.get("initializationOptions")
        process_id = params.get("processId")
        if isinstance(process_id, int) and not isinstance(process_id, bool):
            self.process_id = process_id
        wish = value_at(params, "capabilities", "experimental", "midfill", "status")
        self._wants_status = wish is True

    def _response(self, body: bytes, message_id: object) -> Routed:
        """Pass on the editor's reply, unless it is for a daemon that has gone."""
        if not isinstance(message_id, int | str) or message_id in self._stale:
            if isinstance(message_id, int | str):
                self._stale.discard(message_id)
            return Routed()
        self._asked.discard(message_id)
        return Routed(to_daemon=[body] if self._is_connected else [])

    def _alone(self, method: str, message_id: MessageId) -> Routed:
        """Answer a request without a daemon."""
        if method == "initialize" and not self._is_answered:
            # Its answer comes from the daemon, as soon as there is one.
            refused = self.refuse("it is shut down") if self.shut_down else []
            return Routed(to_editor=refused)
        if self._initialize is None:
            error = error_reply(message_id, NOT_INITIALIZED, "initialize comes first")
            return Routed(to_editor=[error])
        return Routed(to_editor=[answer_without_daemon(method, message_id)])

    def _reply(self, body: bytes, message: Message) -> list[bytes]:
        """Return what the editor gets of a reply: nothing if it did not ask."""
        message_id = id_of(message)
        if message_id == _REPLAY_ID:
            self._take_encoding(message)
            return []
        if message_id is None:
            return [body]
        method = self._pending.pop(message_id, None)
        if method == "initialize" and "result" in message:
            self._is_answered = True
            self._take_encoding(message)
        return [] if method is None else [body]

    def _take_encoding(self, message: Message) -> None:
        """Read from the answer to ``initialize`` what columns count."""
        found = value_at(message, "result", "capabilities", "positionEncoding")
        for encoding in PositionEncoding:
            if found == encoding.value:
                self._documents.encoding = encoding

    def _passes(self, method: str, params: object) -> bool:
        """Follow a daemon's notification; return whether the editor gets it."""
        values = params if isinstance(params, dict) else {}
        if method == ENDING_METHOD:
            self.ending = str(values.get("reason"))
            return False
        if method == "$/progress":
            token, value = values.get("token"), values.get("value")
            kind = value.get("kind") if isinstance(value, dict) else None
            if isinstance(token, int | str) and kind == "begin":
                self._bars.append(token)
            elif isinstance(token, int | str) and kind == "end" and token in self._bars:
                self._bars.remove(token)
        if method == "window/showMessage":
            text = str(values.get("message"))
            is_repeated = self._losses > 0 and text in self._shown
            self._shown.add(text)
            return not is_repeated
        return True
