"""What becomes of suggestions is reported from answers, commands and documents."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from lsprotocol import types

from lsp_server.metrics import Feedback, NoMetrics
from lsp_server.outcomes import Completion, CompletionResult, RequestTimings, Source
from lsp_server.protocol.acceptance import kept_chars
from lsp_server.protocol.documents import Documents
from lsp_server.protocol.extensions import Acceptances
from lsp_server.protocol.inline_completion import items, place_of, request_of
from lsp_server.protocol.lines import PositionEncoding
from lsp_server.protocol.suggestion_feedback import SuggestionFeedback

URI = "file:///a.py"
LONG = "add(\n    one)"
TIMINGS = RequestTimings(
    ttft_ms=1.0,
    total_ms=2.0,
    prompt_tokens=3,
    cached_tokens=0,
    output_tokens=4,
    source=Source.JOIN,
)


@dataclass(frozen=True)
class Timer:
    """A call at a time; cancelled, it leaves its clock."""

    due_s: float
    call: Callable[[], None]
    clock: "Clock"

    def cancel(self) -> None:
        self.clock.waiting.remove(self)


class Clock:
    """Calls what is due when a test says so."""

    def __init__(self) -> None:
        self.waiting: list[Timer] = []

    def later(self, after_s: float, call: Callable[[], None]) -> Timer:
        timer = Timer(after_s, call, self)
        self.waiting.append(timer)
        return timer

    def pass_to(self, now_s: float) -> None:
        for timer in [each for each in self.waiting if each.due_s <= now_s]:
            timer.cancel()
            timer.call()


class Reported(NoMetrics):
    """Keeps what is reported."""

    def __init__(self) -> None:
        self.feedbacks: asyncio.Queue[Feedback] = asyncio.Queue()

    def feedback(self, feedback: Feedback) -> None:
        self.feedbacks.put_nowait(feedback)


class Editor:
    """One editor's documents, and what follows its suggestions."""

    def __init__(self) -> None:
        self.metrics = Reported()
        self.clock = Clock()
        self.documents = Documents(PositionEncoding.UTF16)
        self.feedback = SuggestionFeedback(self.metrics, later=self.clock.later)
        self.version = 1

    def open(self, text: str) -> None:
        self.documents.open(
            types.TextDocumentItem(uri=URI, language_id="python", version=1, text=text)
        )

    def show(self, *texts: str, name: str = "m", column: int = 4) -> None:
        """Answer at a column with items, whose ids are a name and a number."""
        params = types.InlineCompletionParams(
            context=types.InlineCompletionContext(
                trigger_kind=types.InlineCompletionTriggerKind.Automatic
            ),
            text_document=types.TextDocumentIdentifier(URI),
            position=types.Position(0, column),
        )
        request = request_of(
            params,
            place=place_of(params, self.documents),
            encoding=PositionEncoding.UTF16,
            message_id=1,
            request_id=name,
        )
        made = tuple(
            Completion(
                completion_id=f"{name}{at}",
                text=text,
                start=column,
                end=column,
                timings=TIMINGS,
            )
            for at, text in enumerate(texts)
        )
        answer = items(request, made, Acceptances().offer)
        result = CompletionResult(completions=made, model="model")
        self.feedback.shown(request, answer, result)

    def change(self, text: str) -> None:
        """Have the document changed to a text."""
        self.version += 1
        whole = types.TextDocumentContentChangeWholeDocument(text=text)
        document = types.VersionedTextDocumentIdentifier(self.version, URI)
        self.documents.change(types.DidChangeTextDocumentParams(document, [whole]))
        self.feedback.document_changed(URI)

    async def events(self, count: int) -> list[tuple[str, int]]:
        """Wait for so many events, and check that there are no more."""
        async with asyncio.timeout(60):
            found = [await self.metrics.feedbacks.get() for _ in range(count)]
        assert self.metrics.feedbacks.empty()
        assert {("model", "python", Source.JOIN)} >= {
            (each.model, each.language, each.source) for each in found
        }
        return [(each.event.value, each.chars) for each in found]


@pytest.mark.parametrize(
    ("chars", "later", "ends", "kept"),
    [
        (len(LONG), f"x = {LONG}\n", "kept", 8),
        (len(LONG), "x = add(\r\n    one)\r\n", "kept", 8),
        (len(LONG), "        one)\ny = 2\nx = add(\n", "kept", 8),
        (len(LONG), "x = add(\n    one, two)\n", "kept", 8),
        (len(LONG), "x = sub(2)\n", "discarded", 0),
        (len(LONG), "", "discarded", 0),
        (3, "x = add(2)\n", "kept", 3),
        (3, "x = sub(2)\n", "discarded", 0),
    ],
)
async def test_an_accepted_text_is_looked_for_twice(
    chars: int, later: str, ends: str, kept: int
) -> None:
    """Of a part only that part; moved and indented lines and line ends count."""
    editor = Editor()
    editor.open("x = ")
    editor.show(LONG, "other")
    editor.feedback.accepted("m0", chars)
    is_part = chars < len(LONG)
    expected = [("shown", len(LONG)), ("accepted", chars)]
    expected += [("partly-accepted", chars)] * is_part
    assert expected == await editor.events(2 + is_part)
    editor.open(later)
    editor.clock.pass_to(29)
    assert editor.metrics.feedbacks.empty()
    editor.clock.pass_to(30)
    assert [(ends, kept)] == await editor.events(1)
    editor.open("")
    editor.clock.pass_to(600)
    assert [("discarded-long", 0)] == await editor.events(1)


@pytest.mark.parametrize(
    ("accepted", "document", "kept"),
    [
        ("total = first + second", "total = first + third", 12),
        ("a\na\na", "a\nb\nc", 3),
        ("return compute(x)", "return  compute( x )", 16),
        ("value", "val", 0),
    ],
)
def test_of_a_changed_line_the_words_count(
    accepted: str, document: str, kept: int
) -> None:
    """Those that are left, in their order, blanks aside."""
    assert kept == kept_chars(accepted, document)


async def test_more_of_an_item_extends_the_acceptance() -> None:
    """An editor that takes word after word says so each time; ids may be of others."""
    editor = Editor()
    editor.open("x = ")
    editor.show(LONG, "other")
    for name, chars in (("m1", 2), ("m1", 2), ("m1", 5), ("m1", 3), ("unknown", 3)):
        editor.feedback.accepted(name, chars)
    expected = [("shown", len(LONG)), ("accepted", 2), ("partly-accepted", 2)]
    assert [*expected, ("extended", 3)] == await editor.events(4)
    editor.open("x = other")
    editor.clock.pass_to(30)
    assert [("kept", 5)] == await editor.events(1)


WHOLE = [("accepted", len(LONG))]


@pytest.mark.parametrize(
    ("texts", "taken"),
    [
        (["x = add(\n    one)\n"], WHOLE),
        (["x = add(\r\n    one)\n"], WHOLE),
        (["x = a\n", "x = add(\n    one)\n"], WHOLE),
        (["x = add\n"], [("accepted", 3), ("partly-accepted", 3)]),
        (["x = add(\n"], [("accepted", 4), ("partly-accepted", 4)]),
        (
            ["x = add\n", "x = add(\n    one)\n"],
            [("accepted", 3), ("partly-accepted", 3), ("extended", 10)],
        ),
        (["x = a\n", "x = ad\n", "x = add\n", "x = add(\n"], []),
        (["x = sub\n", "x = add(\n    one)\n"], []),
        (["x = ad\n"], []),
        (["y = add(\n    one)\n"], []),
        (["x = \n\n"], []),
    ],
)
async def test_an_editor_without_commands_is_understood(
    texts: list[str], taken: list[tuple[str, int]]
) -> None:
    """By a change that equals the suggestion, its first word or its first line."""
    editor = Editor()
    editor.open("x = \n")
    editor.show(LONG)
    for text in texts:
        editor.change(text)
    assert [("shown", len(LONG)), *taken] == await editor.events(1 + len(taken))


async def test_what_is_typed_through_is_shown_once() -> None:
    """The rest counts as another suggestion where it differs, or a part was taken."""
    editor = Editor()
    editor.open("x = ")
    editor.show("add(1, 2)")
    editor.change("x = a")
    editor.show("dd(1, 2)", name="n", column=5)
    editor.change("x = ad")
    editor.show("d(1, 2)", name="o", column=6)
    assert [("shown", 9)] == await editor.events(1)
    editor.show("d(3)", name="p", column=6)
    editor.change("x = adc")
    editor.show("d(3)", name="q", column=7)
    assert [("shown", 4), ("shown", 4)] == await editor.events(2)
    editor.feedback.accepted("q0", 2)
    editor.change("x = adcd(")
    editor.show("3)", name="r", column=9)
    expected = [("accepted", 2), ("partly-accepted", 2), ("shown", 2)]
    assert expected == await editor.events(3)


async def test_an_editor_with_commands_is_not_guessed_at() -> None:
    """The command that follows the change counts nothing twice, and is believed."""
    editor = Editor()
    editor.open("x = \n")
    editor.show("1 + 2")
    editor.change("x = 1 + 2\n")
    editor.feedback.accepted("m0", 5)
    assert [("shown", 5), ("accepted", 5)] == await editor.events(2)
    editor.show("+ other", name="n")
    editor.change("x = + other1 + 2\n")
    assert [("shown", 7)] == await editor.events(1)


async def test_nothing_is_known_of_a_closed_document_or_of_blanks() -> None:
    """Neither is counted as kept or discarded; an empty answer shows nothing."""
    editor = Editor()
    editor.open("x = ")
    editor.show()
    editor.show("\n  1", "1")
    editor.feedback.accepted("m0", 3)
    editor.feedback.accepted("m1", 1)
    editor.documents.close(URI)
    editor.clock.pass_to(600)
    expected = [("shown", 4), ("accepted", 3), ("partly-accepted", 3), ("accepted", 1)]
    assert expected == await editor.events(4)


async def test_the_timers_of_an_editor_that_has_left_are_cancelled() -> None:
    """None of them holds its documents for ten minutes."""
    editor = Editor()
    editor.open("x = ")
    editor.show("1")
    editor.feedback.accepted("m0", 1)
    assert [30, 600] == [each.due_s for each in editor.clock.waiting]
    editor.feedback.close()
    assert [] == editor.clock.waiting
