"""A Ray of one's own starts on a slow machine too, or it is said why it does not."""

import sys
import threading

import psutil
import pytest
from ray_command import serving
from ray_load import has_ended, wait_until

from lsp_server.errors import EngineStartError
from midfill_ray.local_ray import TRIES, start_ray

SLOW = Exception("The current node timed out during startup. This could happen because")
BROKEN = ValueError("no space left on device")


class Init:
    """Stands for `ray.init`: starts a process, and fails for a while."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.started: list[psutil.Popen] = []

    def __call__(self) -> None:
        self.started.append(psutil.Popen([sys.executable, "-c", "input()"], stdin=-1))
        if self.errors:
            raise self.errors.pop(0)


@pytest.mark.parametrize(
    ("errors", "starts", "says", "raises"),
    [
        ([], 1, 0, ""),
        ([SLOW], 2, 1, ""),
        ([SLOW] * (TRIES - 1), TRIES, TRIES - 1, ""),
        ([SLOW] * TRIES, TRIES, TRIES - 1, f"in {TRIES} tries"),
        ([BROKEN], 1, 0, "no space left"),
        ([SLOW, BROKEN], 2, 1, "no space left"),
    ],
)
def test_only_what_was_too_slow_is_tried_again(
    errors: list[Exception], starts: int, says: int, raises: str
) -> None:
    """Each time that is said, and nothing stays of a start that failed."""
    init, said = Init(*errors), list[str]()
    if raises:
        with pytest.raises(EngineStartError, match=raises):
            start_ray(init, said.append)
    else:
        start_ray(init, said.append)
    assert (starts, says) == (len(init.started), len(said))
    assert all(f"of {TRIES}" in each for each in said)
    failed = init.started if raises else init.started[:-1]
    assert all(map(has_ended, failed))
    assert raises or init.started[-1].is_running()
    for process in init.started:
        process.communicate()


@pytest.mark.slow
def test_a_ray_that_comes_too_late_is_started_again() -> None:
    """As Ray gives its processes 30 seconds: here the first raylet is stopped."""
    others = set(psutil.Process().children(recursive=True))
    raylets: list[psutil.Process] = []

    def stop_first() -> None:
        def is_there() -> bool:
            started = set(psutil.Process().children(recursive=True)) - others
            raylets.extend(each for each in started if each.name() == "raylet")
            return bool(raylets)

        wait_until(is_there)
        raylets[0].suspend()

    stopping = threading.Thread(target=stop_first)
    stopping.start()
    with serving() as running:
        stopping.join()
        assert f"try 2 of {TRIES}" in running.log
