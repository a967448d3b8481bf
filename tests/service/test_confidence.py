"""A text is shown as far as the model is sure of it, and written no further."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsp_server.config import CompletionConfig, Eagerness
from lsp_server.engine.scripted import ScriptedEngine
from lsp_server.metrics import NoMetrics, RequestRecord
from lsp_server.modelstore.manifest import OTHER_LANGUAGES, ConfidenceLevels
from lsp_server.outcomes import CompletionResult
from lsp_server.service.completion import CompletionService
from lsp_server.service.confidence import (
    DEFAULT_LEVELS,
    Confidence,
    floor_of,
    whole_end,
)
from lsp_server.service.typed_ahead import TypedAhead
from lsp_server.text import is_word_char
from lsp_server.values import Snapshot, Trigger

AtCursor = Callable[[str], Snapshot]
MakeService = Callable[..., tuple[CompletionService, ScriptedEngine]]

HALF = {"python": ConfidenceLevels(low=0.9, normal=0.5, high=0.1)}


class Records(NoMetrics):
    """Keeps what was reported."""

    def __init__(self) -> None:
        self.saved_tokens: list[int] = []

    def request_done(self, record: RequestRecord) -> None:
        self.saved_tokens.append(record.saved_tokens)


async def complete(
    service: CompletionService,
    snapshot: Snapshot,
    trigger: Trigger = Trigger.AUTOMATIC,
) -> CompletionResult:
    """Ask the service."""
    return await service.complete(
        snapshot, request_id="r1", trigger=trigger, typed=TypedAhead()
    )


def shown(result: CompletionResult) -> str | None:
    """The text of the one completion, or the reason's word in brackets."""
    if result.reason is not None:
        return f"({result.reason.word})"
    (completion,) = result.completions
    return completion.text


@pytest.mark.parametrize(
    ("text", "probabilities", "expected"),
    [
        # total, =, first, +, second, _value
        ("total = first + second_value\n", (), "total = first + second_value"),
        ("total = first + second_value\n", (0.9, 0.9, 0.9, 0.6), "total = first"),
        ("total = first + second_value\n", (0.51,) * 2, "total"),
        # The last token belongs to the word before it, which goes, too.
        ("total = first + second_value\n", (1,) * 5 + (0.4,), "total = first +"),
        ("total = first + second_value\n", (0.4,), "(not-sure)"),
        # total, _count
        ("total_count(values)\n", (1, 0.4), "(not-sure)"),
        # ', a, \\n, bad: no word ends between the last two
        ("'a\\nbad'\n", (1, 1, 1, 0.4), "'a"),
        # To take one character saves no key, unless it is none of a keyboard's own.
        ("- value\n", (1, 0.4), "(not-sure)"),
        ("-- value\n", (1, 0.4), "--"),
        ("値 + value\n", (1,) * 3 + (0.4,), "値"),
        # The line end is not shown, so it may be unlikely.
        (
            "total = first + second_value\n",
            (1,) * 6 + (0.01,),
            "total = first + second_value",
        ),
    ],
)
async def test_a_text_ends_where_it_is_too_unlikely(
    make_service: MakeService,
    at_cursor: AtCursor,
    text: str,
    probabilities: tuple[float, ...],
    expected: str,
) -> None:
    """The probabilities multiply; what is left ends with a whole word."""
    service, engine = make_service(
        text, probabilities=(probabilities,), confidence=HALF
    )
    result = await complete(service, at_cursor("x = |\n"))
    assert expected == shown(result)
    cut = [each for each in result.cuts if each.filter_name == "confidence"]
    assert [expected.removeprefix("(not-sure)")] * len(cut) == [
        each.after.rstrip() for each in cut
    ]
    assert all(request.logprobs for request in engine.requests)


async def test_what_is_not_shown_is_not_generated(
    make_service: MakeService, at_cursor: AtCursor
) -> None:
    """The engine is left at the first token too many; what that saves is counted."""
    records = Records()
    service, engine = make_service(
        "total = first + second_value\n",
        probabilities=((1, 1, 0.2),),
        confidence=HALF,
        metrics=records,
    )
    result = await complete(service, at_cursor("x = |\n"))
    assert ("total =", ("r1",)) == (shown(result), engine.aborted)
    # The blank that was held is one token, and three more came of 48.
    assert [45] == records.saved_tokens


@pytest.mark.parametrize(
    ("eagerness", "language", "expected"),
    [
        (Eagerness.LOW, "python", "ab"),
        (Eagerness.NORMAL, "python", "ab + b"),
        (Eagerness.HIGH, "python", "ab + b + c"),
        (Eagerness.ALWAYS, "python", "ab + b + c + d"),
        (Eagerness.LOW, "go", "ab +"),
        (Eagerness.NORMAL, "go", "ab + b"),
        (Eagerness.HIGH, "go", "ab + b +"),
    ],
)
async def test_the_floor_is_the_languages_and_the_users(
    make_service: MakeService,
    at_cursor: AtCursor,
    eagerness: Eagerness,
    language: str,
    expected: str,
) -> None:
    """As the model was calibrated to it, else Midfill's own."""
    levels = DEFAULT_LEVELS
    steps = {
        "python": (0.95, 0.7, 1, 0.3, 0.6, 0.2, 0.1),
        "go": (
            1,
            levels.low,
            1.01 * levels.normal / levels.low,
            0.8,
            0.6,
        ),
    }
    service, engine = make_service(
        "ab + b + c + d\n",
        probabilities=(steps[language],),
        confidence=HALF,
        config=CompletionConfig(eagerness=eagerness),
    )
    snapshot = at_cursor("x = |\n")
    result = await complete(
        service,
        Snapshot(
            uri=snapshot.uri,
            language_id=language,
            version=1,
            text=snapshot.text,
            offset=snapshot.offset,
        ),
    )
    assert expected == shown(result)
    assert engine.requests[0].logprobs is (eagerness is not Eagerness.ALWAYS)


async def test_who_asks_by_hand_gets_all_of_it(
    make_service: MakeService, at_cursor: AtCursor
) -> None:
    """However unlikely it is."""
    service, _ = make_service(
        "total = first\n",
        probabilities=((0.01, 0.01),),
        confidence=HALF,
        config=CompletionConfig(candidates=1),
    )
    result = await complete(service, at_cursor("x = |\n"), Trigger.INVOKED)
    assert "total = first" == shown(result)


def test_tokens_within_the_held_text_do_not_count() -> None:
    """One that goes beyond it does, and so do the parts of a character."""
    confidence = Confidence(held_chars=3, floor=0.5)
    for probability, written_chars in [(-9.0, 0), (-9.0, 2), (-9.0, 3)]:
        confidence.add(probability, written_chars)
    assert confidence.is_enough
    confidence.add(-0.3, 5)
    confidence.add(-0.3, 5)
    assert (True, 5) == (confidence.is_enough, confidence.sure_chars)
    confidence.add(-0.1, 6)
    assert (False, 5) == (confidence.is_enough, confidence.sure_chars)
    likelihoods = [confidence.likelihood(chars) for chars in (3, 4, 9)]
    assert [0, pytest.approx(-0.3), pytest.approx(-0.3)] == [
        each.logprob for each in likelihoods
    ]
    assert [0, 1, 1] == [each.tokens for each in likelihoods]


@pytest.mark.parametrize(
    ("whole", "expected"),
    [
        ("one tw|o", "one "),
        ("one| two", "one"),
        ("one two|", "one two"),
        ("'\\x4|1'", "'"),
        ("'\\\\|n'", "'\\\\"),
        ("'\\\\\\|n'", "'\\\\"),
        ("cafe|\u0301", ""),
        ("(e|\u0301)", "("),
        ("'👍|🏽'", "'"),
        ("'👩\u200d|💻'", "'"),
        ("a\r|\nb", "a"),
    ],
)
def test_a_cut_parts_nothing(whole: str, expected: str) -> None:
    """Neither a word nor an escape nor a character of several code points."""
    before, after = whole.split("|")
    text = before + after
    assert expected == text[: whole_end(text, len(before))]


@given(st.text(alphabet="ab_ \\n.\u0301\r\n"), st.data())
def test_a_cut_is_near_and_final(text: str, data: st.DataObject) -> None:
    """It never moves to the right, stays where it is, and ends no word early."""
    end = data.draw(st.integers(0, len(text)))
    cut = whole_end(text, end)
    assert cut <= end
    assert cut == whole_end(text, cut)
    if 0 < cut < len(text):
        assert not (is_word_char(text[cut - 1]) and is_word_char(text[cut]))


def levels(normal: float) -> ConfidenceLevels:
    """Return levels that tell each other apart by the middle one."""
    return ConfidenceLevels(low=0.9, normal=normal, high=0.1)


@pytest.mark.parametrize(
    ("language_id", "expected"),
    [
        ("c", 0.2),
        ("typescriptreact", 0.3),
        # By other names of the same language, or of one with its rules.
        ("c-ts", 0.2),
        ("jsx", 0.4),
        ("Python3", 0.5),
        ("haskell", 0.6),
        ("markdown", 0.6),
    ],
)
def test_a_language_has_its_own_floor(language_id: str, expected: float) -> None:
    """Else that of the other languages; else Midfill's."""
    calibrated = {
        "c": levels(0.2),
        "typescriptreact": levels(0.3),
        "javascript": levels(0.4),
        "python": levels(0.5),
        OTHER_LANGUAGES: levels(0.6),
    }
    eagerness = CompletionConfig().eagerness
    found = floor_of(calibrated, language_id, eagerness, Trigger.AUTOMATIC)
    assert expected == found
    del calibrated[OTHER_LANGUAGES]
    found = floor_of(calibrated, language_id, eagerness, Trigger.AUTOMATIC)
    assert (expected if expected < 0.6 else DEFAULT_LEVELS.normal) == found
