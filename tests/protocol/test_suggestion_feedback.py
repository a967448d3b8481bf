"""What becomes of suggestions is reported from answers, commands and documents."""

import asyncio

import pytest
from lsprotocol import types

from lsp_server.metrics import Feedback, FeedbackEvent, NoMetrics
from lsp_server.outcomes import Completion, RequestTimings
from lsp_server.protocol.document import Documents
from lsp_server.protocol.extensions import Acceptances
from lsp_server.protocol.inline_completion import items, place_of, request_of
from lsp_server.protocol.lines import PositionEncoding
from lsp_server.protocol.suggestion_feedback import SuggestionFeedback

URI = "file:///a.py"
LONG = "add(\n    1)"
TIMINGS = RequestTimings(
    ttft_ms=1.0, total_ms=2.0, prompt_tokens=3, cached_tokens=0, output_tokens=4
)


class Reported(NoMetrics):
    """Keeps what is reported, and when the last document was looked at."""

    def __init__(self) -> None:
        self.feedbacks: list[Feedback] = []
        self.looked = asyncio.Event()

    def feedback(self, feedback: Feedback) -> None:
        self.feedbacks.append(feedback)
        if (feedback.model, feedback.event) == ("last", FeedbackEvent.KEPT):
            self.looked.set()

    def of(self, model: str) -> list[tuple[str, int]]:
        """Return the events and lengths of a model's suggestions."""
        return [(f.event.value, f.chars) for f in self.feedbacks if f.model == model]


class Editor:
    """One editor's documents, and what follows its suggestions."""

    def __init__(self) -> None:
        self.metrics = Reported()
        self.documents = Documents(PositionEncoding.UTF16)
        self.feedback = SuggestionFeedback(self.metrics, kept_after_s=0)

    def open(self, text: str, uri: str = URI) -> None:
        self.documents.open(
            types.TextDocumentItem(uri=uri, language_id="python", version=1, text=text)
        )

    def show(self, *texts: str, uri: str = URI, model: str = "m") -> None:
        """Answer with items, whose ids are the model's name and a number."""
        params = types.InlineCompletionParams(
            context=types.InlineCompletionContext(
                trigger_kind=types.InlineCompletionTriggerKind.Automatic
            ),
            text_document=types.TextDocumentIdentifier(uri),
            position=types.Position(0, 4),
        )
        request = request_of(
            params,
            place=place_of(params, self.documents),
            encoding=PositionEncoding.UTF16,
            message_id=1,
            request_id=model,
        )
        made = [
            Completion(
                completion_id=f"{model}{at}", text=text, start=4, end=4, timings=TIMINGS
            )
            for at, text in enumerate(texts)
        ]
        answer = items(request, made, Acceptances().offer)
        self.feedback.shown(request, answer, model)

    async def looked(self) -> None:
        """Accept a suggestion of a document of its own, and wait for its look."""
        self.open("x = last", uri="file:///last.py")
        self.show("last", uri="file:///last.py", model="last")
        self.feedback.accepted("last0", 4)
        async with asyncio.timeout(20):
            await self.metrics.looked.wait()


@pytest.mark.parametrize(
    ("chars", "later", "ends"),
    [
        (len(LONG), f"x = {LONG}\n", "kept"),
        (len(LONG), "x = add(\r\n    1)\r\n", "kept"),
        (len(LONG), f"y = 2\nx = {LONG} + 1\n", "kept"),
        (len(LONG), "x = add(2)\n", "discarded"),
        (len(LONG), "", "discarded"),
        (3, "x = add(2)\n", "kept"),
        (3, "x = sub(2)\n", "discarded"),
    ],
)
async def test_an_accepted_text_is_looked_for_later(
    chars: int, later: str, ends: str
) -> None:
    """Of a part that was accepted only that part; line ends do not matter."""
    editor = Editor()
    editor.open("x = ")
    editor.show(LONG, "other")
    editor.feedback.accepted("m0", chars)
    editor.open(later)
    await editor.looked()
    shown = ("shown", len(LONG))
    assert [shown, ("accepted", chars), (ends, chars)] == editor.metrics.of("m")
    assert {"python"} == {each.language for each in editor.metrics.feedbacks}


async def test_the_first_acceptance_counts_and_of_other_items_as_well() -> None:
    """An editor that takes word after word says so each time; ids may be of others."""
    editor = Editor()
    editor.open("x = ")
    editor.show(LONG, "other")
    for name, chars in (("m1", 5), ("m1", 5), ("m1", 2), ("unknown", 3)):
        editor.feedback.accepted(name, chars)
    editor.open("x = other")
    await editor.looked()
    shown = ("shown", len(LONG))
    assert [shown, ("accepted", 5), ("kept", 5)] == editor.metrics.of("m")


async def test_nothing_is_known_of_a_closed_document_or_of_blanks() -> None:
    """Neither is counted as kept or discarded; an empty answer shows nothing."""
    editor = Editor()
    editor.open("x = ")
    editor.show(model="none")
    editor.show("\n  1", model="blank")
    editor.show("1", model="closed")
    editor.feedback.accepted("blank0", 3)
    editor.feedback.accepted("closed0", 1)
    editor.documents.close(URI)
    await editor.looked()
    assert [] == editor.metrics.of("none")
    assert [("shown", 4), ("accepted", 3)] == editor.metrics.of("blank")
    assert [("shown", 1), ("accepted", 1)] == editor.metrics.of("closed")


async def test_an_editor_that_has_left_is_not_looked_at() -> None:
    """Its timers end with it."""
    editor = Editor()
    editor.open("x = ")
    editor.show("1")
    editor.feedback.accepted("m0", 1)
    editor.feedback.close()
    other = Editor()
    await other.looked()
    assert [("shown", 1), ("accepted", 1)] == editor.metrics.of("m")
