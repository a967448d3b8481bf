"""vLLM's executor for one process, as Midfill's engine runs it.

vLLM is given this class by its name, imports it, and uses it in the engine process.

Source: vLLM 0.32, ``v1/executor/uniproc_executor.py``.
"""

import os
from pathlib import Path

from vllm.v1.executor.uniproc_executor import UniProcExecutor

from lsp_server.engine import lone_group, start_report
from lsp_server.values import StartStage

__all__ = ["EngineExecutor"]


class EngineExecutor(UniProcExecutor):  # type: ignore[misc]  # vLLM is not typed
    """Computes in the engine process itself, tells how far it is, opens no port."""

    def _init_executor(self) -> None:
        """Load the model."""
        start_report.reach(StartStage.WEIGHTS)
        with lone_group.without_sockets():
            super()._init_executor()
        start_report.reach(StartStage.WARM_UP)

    def _distributed_args(self) -> tuple[str, int, int]:
        """Meet over a file in the engine's folder, which goes with the engine."""
        _, rank, local_rank = super()._distributed_args()
        folder = Path(os.environ[start_report.FOLDER_VARIABLE])
        return f"file://{folder / 'meeting'}", rank, local_rank
