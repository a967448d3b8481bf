"""Growth is no step of the allocator's, and memory that was freed goes back."""

import itertools
import subprocess
import sys

import psutil
import pytest

from benchmarks.heap_probe import heap_in_use_bytes, release_free_heap
from benchmarks.memory import growth_mib

Readings = list[tuple[int, float]]


def readings(*levels_mib: float) -> Readings:
    """Return a reading for each 100 pairs."""
    return list(zip(itertools.count(0, 100), levels_mib, strict=False))


@pytest.mark.parametrize(
    ("levels_mib", "expected"),
    [
        pytest.param([500.0] * 11, 0.0, id="flat"),
        pytest.param([500 + 0.4 * at for at in range(11)], 4.0, id="leak"),
        pytest.param([500.0] + [560.0] * 10, 0.0, id="one-step-at-the-start"),
        pytest.param([500, 560] * 5 + [500], 0.0, id="to-and-fro"),
    ],
)
def test_growth_is_the_middle_slope(levels_mib: list[float], expected: float) -> None:
    """A leak shows at its full rate, one larger piece of memory does not."""
    assert expected == pytest.approx(growth_mib(readings(*levels_mib)))


def test_a_leak_below_an_unsteady_height_shows() -> None:
    """Readings that go up and down by more than they grow still tell the growth."""
    levels = [500 + 0.5 * at + (8 if at % 2 else 0) for at in range(21)]
    assert 3 < growth_mib(readings(*levels)) < 7


_HOLD_AND_FREE = """
import ctypes, psutil
from benchmarks.heap_probe import heap_in_use_bytes, release_free_heap
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
libc.memset.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]
size = 64 * 1024  # below the size that gets pages of its own
begun = heap_in_use_bytes()
pieces = [libc.malloc(size) for _ in range(512)]
for piece in pieces:
    libc.memset(piece, 1, size)
held = heap_in_use_bytes()
last = libc.malloc(size)  # in use, at the heap's end
for piece in pieces:
    libc.free(piece)
resident = psutil.Process().memory_info().rss
freed = heap_in_use_bytes()
release_free_heap()
released = psutil.Process().memory_info().rss
print(held - begun, freed - begun, resident - released)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="asks glibc")
def test_freed_memory_is_distinguished_from_held_memory() -> None:
    """What was freed counts as free at once, and goes back when that is asked for."""
    done = subprocess.run(
        [sys.executable, "-c", _HOLD_AND_FREE],
        capture_output=True,
        check=True,
        text=True,
        timeout=60,
    )
    held, freed, given_back = map(int, done.stdout.split())
    assert 32 << 20 <= held < 34 << 20
    assert freed < 2 << 20
    assert given_back > 24 << 20


@pytest.mark.skipif(sys.platform != "linux", reason="asks glibc")
def test_this_process_can_be_asked() -> None:
    """The server asks itself as it asks its worker."""
    release_free_heap()
    assert 0 < heap_in_use_bytes() < psutil.virtual_memory().total
