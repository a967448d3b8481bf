"""Lets the tests of deploy/ import what starts servers, and share a Ray."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ray_cluster import RayCluster

for folder in ("servers", "editors"):
    sys.path.insert(0, str(Path(__file__).parents[1] / folder))


@pytest.fixture(scope="session")
def shared_ray() -> "Iterator[RayCluster]":
    """Run a Ray that believes in two GPUs; each module deploys what it tests there.

    To start one takes longer than most tests.
    """
    from ray_cluster import ray_cluster  # noqa: PLC0415 - most tests do without Ray

    with ray_cluster(gpus=2) as running:
        yield running
