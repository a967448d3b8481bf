"""What was suggested is found again by the text around the cursor alone."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsp_server.outcomes import Source
from lsp_server.service import reasons
from lsp_server.service.completion_cache import CachedAnswer, CompletionCache, rest_of
from lsp_server.values import CompletionScope, Snapshot

ABOVE = "import os\n\n\ndef f(a):\n"
BELOW = "\n\n\nx = 1\n"
KEYS = st.lists(st.sampled_from([*"ab (=\n\t", "return ", "    ", "<<"]), max_size=12)


def at(before: str, after: str = BELOW, *, uri: str = "file:///a.py") -> Snapshot:
    """Return a snapshot with the cursor between two texts."""
    return Snapshot(
        uri=uri,
        language_id="python",
        version=1,
        text=before + after,
        offset=len(before),
    )


def answer(*texts: str, candidates: int = 1) -> CachedAnswer:
    """Return an answer with these texts."""
    return CachedAnswer(
        texts=texts,
        scope=CompletionScope.BLOCK,
        candidates=candidates,
        reason=None if texts else reasons.ENDED_AT_ONCE,
    )


def rests(
    cache: CompletionCache, snapshot: Snapshot, candidates: int = 1
) -> list[str] | None:
    """Return what the cache offers at a cursor; None if it has nothing."""
    found = cache.find(snapshot, candidates=candidates)
    return None if found is None else [rest for _, rest in found.suggestions]


def edited(text: str, keys: list[str]) -> str:
    """Return what is left behind a cursor after keys; ``<<`` is a backspace."""
    for key in keys:
        text = text[:-1] if key == "<<" else text + key
    return text


def unindented(text: str) -> list[str]:
    """Return the lines without their indentation."""
    return [line.lstrip() for line in text.split("\n")]


@given(text=st.text("ab (=\n\t", min_size=1, max_size=12), keys=KEYS, head=KEYS)
def test_what_is_offered_is_what_is_left_of_the_suggestion(
    text: str, keys: list[str], head: list[str]
) -> None:
    """Whatever was typed or taken back, document and offer make the suggestion."""
    cache = CompletionCache()
    before = ABOVE + edited("", head)
    cache.keep(at(before), answer(text))
    now = edited(before, keys)
    offered = rests(cache, at(now))
    expected = before + text
    is_head = now.startswith(before) and expected.startswith(now)
    if is_head and expected[len(now) :].strip():
        assert [expected[len(now) :]] == offered
    elif offered is not None:
        # The editor indented a line in its own way: the same but for that.
        assert now.startswith(before)
        assert unindented(expected) == unindented(now + offered[0])


@pytest.mark.parametrize(
    ("text", "typed", "rest"),
    [
        ("return a", "ret", "urn a"),
        ("return a", "return a", ""),
        ("return a", "x", None),
        ("\n    b = a\n    return b", "\n", "    b = a\n    return b"),
        ("\n    b = a\n    return b", "\n  ", "  b = a\n    return b"),
        ("\n    b = a\n    return b", "\n\t", "b = a\n\treturn b"),
        ("\n    b = a\n\n        c\n    d", "\n  b", " = a\n\n      c\n  d"),
        ("\n    b = a\n    c", "\n\tb = a\n\t", "c"),
        ("\n    b = a\nelse:", "\n\t", None),
        ("\n\n    b = a", "\n\t", None),
        ("a\n    b", "c\n\t", None),
    ],
)
def test_an_editor_may_indent_a_line_in_its_own_way(
    text: str, typed: str, rest: str | None
) -> None:
    """The lines below follow, where it is clear how far."""
    assert rest == rest_of(text, typed)


@pytest.mark.parametrize(
    ("now", "is_found"),
    [
        (at(ABOVE + "    ret"), True),
        (at("# new\n" * 70 + ABOVE + "    ret"), False),
        (at(ABOVE.replace("os", "re") + "    ret"), False),
        (at(ABOVE + "    ret", BELOW.replace("1", "2")), False),
        (at(ABOVE + "    ret", ")" + BELOW), False),
        (at(ABOVE + "    ret", BELOW + "\n" * 40 + "y = 2\n"), False),
        (at((ABOVE + "    ret").replace("\n", "\r\n"), "\r\n" * 3 + "x = 1\r\n"), True),
        (at(ABOVE.replace(":\n", ":  \n") + "    ret", "\n  \n\nx = 1\n"), True),
        (at(ABOVE + "    ret", uri="file:///b.py"), False),
        (replace(at(ABOVE + "    ret"), language_id="lua"), False),
        (at(ABOVE + "        ret"), False),
    ],
)
def test_an_edit_of_the_lines_around_is_enough_not_to_be_found(
    now: Snapshot, *, is_found: bool
) -> None:
    """Line ends and blanks at them do not count; document and language do."""
    cache = CompletionCache()
    cache.keep(at(ABOVE + "    "), answer("return a"))
    assert is_found is (rests(cache, now) is not None)


@pytest.mark.parametrize("lines", [70, 700])
def test_far_lines_may_come_and_go(lines: int) -> None:
    """The same code is found again wherever it has been moved to."""
    cache = CompletionCache()
    near, below = "near = 1\n" * 64, "\n" + "below = 1\n" * 24
    cache.keep(at("# far\n" * lines + near + "x = ", below + "y\n"), answer("1 + 2"))
    assert ["+ 2"] == rests(cache, at("# other\n" + near + "x = 1 ", below + "z = 2"))


def test_the_latest_place_goes_first() -> None:
    """Of two suggestions that may go on, that of the nearer place is offered."""
    cache = CompletionCache()
    cache.keep(at("x = "), answer("total + 1"))
    cache.keep(at("x = tot"), answer("al - 1"))
    assert ["l - 1"] == rests(cache, at("x = tota"))
    assert ["otal + 1"] == rests(cache, at("x = t"))


def test_who_asks_for_a_choice_gets_one() -> None:
    """No single old line; of several candidates those that still fit."""
    cache = CompletionCache()
    cache.keep(at("x = "), answer("total"))
    assert rests(cache, at("x = "), candidates=3) is None
    cache.keep(at("x = "), answer("total", "tops", "size", candidates=3))
    assert ["total", "tops", "size"] == rests(cache, at("x = "), candidates=3)
    assert ["otal", "ops"] == rests(cache, at("x = t"), candidates=3)
    assert rests(cache, at("x = tot"), candidates=3) is None
    assert ["al"] == rests(cache, at("x = tot"))


def test_that_there_is_nothing_holds_for_a_while_at_the_same_place() -> None:
    """It is no answer one key later, and none half a minute later."""
    now_s = 0.0
    cache = CompletionCache(clock=lambda: now_s)
    cache.keep(at("x = "), answer())
    cache.keep(at("y = "), answer("1"))
    assert [] == rests(cache, at("x = "))
    assert rests(cache, at("x = 1")) is None
    now_s = 31.0
    assert rests(cache, at("x = ")) is None
    assert ["1"] == rests(cache, at("y = "))
    now_s = 301.0
    assert rests(cache, at("y = ")) is None
    assert (0, 0) == (len(cache), cache.size_bytes)


def test_the_least_used_answer_goes_first() -> None:
    """Number and bytes are bounded; what was found stays."""
    cache = CompletionCache(most_answers=2)
    for name in "ab":
        cache.keep(at(f"{name} = "), answer(name))
    assert ["a"] == rests(cache, at("a = "))
    cache.keep(at("c = "), answer("c"))
    assert (["a"], None) == (rests(cache, at("a = ")), rests(cache, at("b = ")))
    small = CompletionCache(most_bytes=4_000)
    for number in range(9):
        small.keep(at(f"{number} = "), answer("é" * 500))
    assert 2 == len(small)
    assert small.size_bytes <= 4_000
    assert Source.CACHE is answer().source
