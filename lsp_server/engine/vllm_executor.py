"""vLLM's executor for one process, without TCP ports and with reports of the start.

vLLM is given the class by its name, and imports it in the engine's process.

Source: vLLM 0.32, ``v1/executor/uniproc_executor.py``.
"""

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch.distributed as dist
from torch._C import _distributed_c10d
from vllm.v1.executor.uniproc_executor import UniProcExecutor

from lsp_server.engine import vllm_plugin
from lsp_server.engine_values import StartStage

__all__ = ["SOCKETLESS_BACKEND", "EngineExecutor", "without_sockets"]

SOCKETLESS_BACKEND = "midfill_single"
_REPLACED_BACKEND = "gloo"


class EngineExecutor(UniProcExecutor):  # type: ignore[misc]  # vLLM is not typed
    """Computes in the engine process itself, reports stages, opens no TCP port."""

    def _init_executor(self) -> None:
        """Load the model."""
        vllm_plugin.report_stage(StartStage.WEIGHTS)
        with without_sockets():
            super()._init_executor()
        vllm_plugin.report_stage(StartStage.WARM_UP)

    def _distributed_args(self) -> tuple[str, int, int]:
        """Return a file in the engine's folder as the place to meet, not a port."""
        _, rank, local_rank = super()._distributed_args()
        folder = Path(os.environ[vllm_plugin.FOLDER_VARIABLE])
        return f"file://{folder / 'meeting'}", rank, local_rank


@contextlib.contextmanager
def without_sockets() -> Iterator[None]:
    """Replace Gloo by a backend without sockets; for a world of one process only.

    vLLM makes a handful of process groups even for a single process, and Gloo listens
    on a TCP port for each, which an editor shows as 13 servers to forward. A group of
    one needs no network, and PyTorch has a backend without any.

    Source: PyTorch 2.13, ``torch/csrc/distributed/c10d/FakeProcessGroup.hpp``: with one
    rank each of its collectives has the result of the real one. vLLM 0.32,
    ``distributed/parallel_state.py``: groups are made by ``new_group`` and
    ``init_process_group``, with "gloo" as a literal.
    """
    if SOCKETLESS_BACKEND not in dist.Backend.backend_list:
        dist.Backend.register_backend(
            SOCKETLESS_BACKEND, _make_group, extended_api=True, devices=["cpu", "cuda"]
        )
    init_process_group, new_group = dist.init_process_group, dist.new_group
    dist.init_process_group = _replacing_gloo(init_process_group)
    dist.new_group = _replacing_gloo(new_group)
    try:
        yield
    finally:
        dist.init_process_group, dist.new_group = init_process_group, new_group


def _make_group(common: Any, options: Any) -> Any:  # noqa: ANN401 - PyTorch's types
    # Any, because PyTorch's annotations are wrong.
    groups: Any = _distributed_c10d.FakeProcessGroup
    create = groups._create_internal  # noqa: SLF001 - there is no other way
    return create(common.group_rank, common.group_size, options)


def _replacing_gloo(make: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a function of PyTorch that makes groups."""

    def make_group(*arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - as above
        if str(options.get("backend")).lower() == _REPLACED_BACKEND:
            options["backend"] = SOCKETLESS_BACKEND
        return make(*arguments, **options)

    return make_group
