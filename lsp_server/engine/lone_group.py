"""Process groups of one process, which need no sockets.

vLLM makes a handful of process groups whatever the number of processes, and PyTorch's
Gloo listens on a TCP port for each of them, on which nobody ever calls: an engine
shows 13 ports to an editor that looks for servers to forward. A group of one has
nobody to talk to, and PyTorch has a group that talks to nobody.

Source: PyTorch 2.13, ``torch/csrc/distributed/c10d/FakeProcessGroup.hpp``: with one
rank each of its collectives leaves what the real one would. vLLM 0.32,
``distributed/parallel_state.py``: groups are made by ``torch.distributed.new_group``
and ``init_process_group``, and "gloo" stands there in so many words.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch.distributed as dist
from torch._C import _distributed_c10d

__all__ = ["BACKEND", "without_sockets"]

BACKEND = "midfill_alone"
_REPLACED = "gloo"


@contextlib.contextmanager
def without_sockets() -> Iterator[None]:
    """Let whoever asks for Gloo inside have a group of one without sockets.

    For a world of one process only.
    """
    if BACKEND not in dist.Backend.backend_list:
        dist.Backend.register_backend(
            BACKEND, _make, extended_api=True, devices=["cpu", "cuda"]
        )
    initialise, make = dist.init_process_group, dist.new_group
    dist.init_process_group = _replacing(initialise)
    dist.new_group = _replacing(make)
    try:
        yield
    finally:
        dist.init_process_group, dist.new_group = initialise, make


def _make(common: Any, options: Any) -> Any:  # noqa: ANN401 - PyTorch's own types
    # PyTorch has no other way to make one, and its annotations are wrong.
    create: Any = _distributed_c10d.FakeProcessGroup._create_internal  # noqa: SLF001
    return create(common.group_rank, common.group_size, options)


def _replacing(make: Callable[..., Any]) -> Callable[..., Any]:
    """Make groups as ``make`` does, with another backend in place of Gloo."""

    def make_group(*arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - as above
        if str(options.get("backend")).lower() == _REPLACED:
            options["backend"] = BACKEND
        return make(*arguments, **options)

    return make_group
