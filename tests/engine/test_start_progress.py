"""The percentage of a start: honest, and never falling."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsp_server.engine.start_progress import StartProgress, StartTimes
from lsp_server.engine_values import StartStage

EVEN = dict.fromkeys(StartStage, 10.0)


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_a_stage_counts_by_its_time_and_never_as_done() -> None:
    """Half of the expected time is half of the stage; after ten times it still runs."""
    clock = Clock()
    progress = StartProgress(EVEN, now_s=clock)
    assert 0 == progress.percent
    progress.reach(StartStage.VERIFY)
    clock.now_s = 5.0
    assert 8 == progress.percent
    clock.now_s = 1000.0
    assert 16 == progress.percent
    progress.reach(StartStage.WEIGHTS)
    assert 50 == progress.percent
    assert StartStage.WEIGHTS is progress.stage


@given(
    st.lists(
        st.tuples(st.floats(0, 100), st.sampled_from([*StartStage, None])), max_size=40
    ),
    st.fixed_dictionaries({stage: st.floats(0, 50) for stage in StartStage}),
)
def test_it_never_falls(
    steps: list[tuple[float, StartStage | None]], expected_s: dict[StartStage, float]
) -> None:
    """Whatever the last start took, in whatever order stages are reported."""
    clock = Clock()
    progress = StartProgress(expected_s, now_s=clock)
    reported = [0]
    for passed_s, stage in steps:
        clock.now_s += passed_s
        if stage is not None:
            progress.reach(stage)
        reported.append(progress.percent)
    assert sorted(reported) == reported
    assert reported[-1] < 100


def test_the_next_start_knows_what_the_last_one_took(tmp_path: Path) -> None:
    """Each kind of start has its own times, and the file may be missing or broken."""
    path = tmp_path / "cache" / "times.json"
    times = StartTimes(path)
    guess = times.of("a")
    clock = Clock()
    progress = StartProgress(guess, now_s=clock)
    for stage in StartStage:
        if stage is not StartStage.IMPORT:
            progress.reach(stage)
        clock.now_s += 2.0
    times.keep("a", progress.times_s())
    known = StartTimes(path).of("a")
    assert 4.0 == known[StartStage.VERIFY]
    assert 0.0 == known[StartStage.IMPORT]
    assert 2.0 == known[StartStage.PROBE]
    assert guess == StartTimes(path).of("b")
    assert ["times.json"] == [p.name for p in path.parent.iterdir()]


@pytest.mark.parametrize("content", ["", "[]", '{"a": 1}', '{"a": {}}', "\0"])
def test_a_broken_file_costs_a_guess(tmp_path: Path, content: str) -> None:
    """It is not read, and is written anew after the next start."""
    path = tmp_path / "times.json"
    path.write_text(content)
    times = StartTimes(path)
    assert set(StartStage) == set(times.of("a"))
    times.keep("a", EVEN)
    assert EVEN == times.of("a")


def test_a_folder_that_cannot_be_written_costs_nothing(tmp_path: Path) -> None:
    """The start goes on."""
    blocked = tmp_path / "file"
    blocked.touch()
    StartTimes(blocked / "times.json").keep("a", EVEN)


def test_a_user_without_a_cache_folder_gets_a_guess() -> None:
    """Nothing is kept, and nothing is in the way."""
    times = StartTimes(None)
    guess = times.of("a")
    times.keep("a", {StartStage.VERIFY: 5.0})
    assert guess == times.of("a")


@pytest.mark.parametrize("seconds", ["NaN", "Infinity", "-1", '"soon"'])
def test_times_that_cannot_be_are_not_believed(tmp_path: Path, seconds: str) -> None:
    """A file that somebody else wrote costs the first guess and nothing more."""
    path = tmp_path / "times.json"
    stages = ", ".join(f'"{stage.value}": {seconds}' for stage in StartStage)
    path.write_text(f'{{"a": {{{stages}}}}}', encoding="utf-8")
    assert StartTimes(tmp_path / "none").of("a") == StartTimes(path).of("a")
