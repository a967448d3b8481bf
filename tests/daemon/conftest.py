"""Homes for daemons."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "servers"))

from daemons import DaemonHome, daemon_home


@pytest.fixture
def home() -> Iterator[DaemonHome]:
    """A user without a daemon."""
    with daemon_home() as made:
        yield made
