"""The simulated typists do the same each time, and what they report adds up."""

import itertools

from benchmarks.typist import Edit, Typist


def offset(text: str, place: tuple[int, int]) -> int:
    """Return the offset of a line and a character."""
    return sum(map(len, text.splitlines(keepends=True)[: place[0]])) + place[1]


def applied(text: str, edit: Edit) -> str:
    """Return a text after an edit."""
    return text[: offset(text, edit.start)] + edit.text + text[offset(text, edit.end) :]


def test_edits_make_the_typists_text() -> None:
    """An editor that is sent every edit has the same document, accepts included."""
    typist = Typist(3, 7, 0.5)
    text = typist.text
    for number in range(300):
        for edit in typist.next_burst().edits:
            text = applied(text, edit)
        if number % 9 == 0:
            text = applied(text, typist.accept("first\n    second"))
        assert typist.text == text
        assert offset(text, typist.position()) == typist.cursor


def test_a_seed_decides_everything() -> None:
    """The same seed and number give the same bursts, and others give others."""

    def bursts(seed: int, number: int) -> list[object]:
        typist = Typist(seed, number, 0.5)
        return [typist.next_burst() for _ in range(50)]

    assert bursts(1, 2) == bursts(1, 2)
    assert 4 == len({str(bursts(*each)) for each in itertools.product((1, 2), (1, 2))})


def test_the_mean_pause_is_the_interval() -> None:
    """Typing and thinking together take the time that was asked for."""
    typist = Typist(1, 1, 0.5)
    pauses_s = [typist.next_burst().pause_s for _ in range(5000)]
    assert 0.45 < sum(pauses_s) / len(pauses_s) < 0.55
