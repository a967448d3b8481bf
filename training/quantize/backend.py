"""Hands the heavy work to a quantiser, in a process of its own."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Literal, Protocol

from lsp_server.modelstore.progress import Progress
from training.quantize.calibration import Sample
from training.quantize.probe import Installation
from training.quantize.tool import BITS
from training.quantize.verify import Comparison
from training.quantize.worker import Worker

__all__ = ["DeviceName", "Quantizer", "WorkerQuantizer"]

DeviceName = Literal["auto", "cpu", "cuda"]

DAMP_PERCENT = 0.01


class Quantizer(Protocol):
    """Turns 16-bit weights into 4-bit ones, and compares the two.

    ``source`` is a folder with a configuration that the quantiser reads, and weights;
    ``work`` is an empty folder for what passes between the processes.
    """

    @property
    def tool(self) -> str:
        """Name and version, for the manifest."""
        ...

    def quantise(
        self,
        source: Path,
        weights: Path,
        *,
        group_size: int,
        samples: Sequence[Sample],
        work: Path,
    ) -> None:
        """Write the quantised weights as the safetensors file ``weights``.

        Raises:
            QuantizeError: It failed.
            OSError: The disk is full, or its input cannot be written.
        """
        ...

    def compare(
        self,
        source: Path,
        weights: Path,
        *,
        group_size: int,
        samples: Sequence[Sample],
        work: Path,
    ) -> Comparison:
        """Compare the quantised weights with their source on ``samples``.

        Raises:
            QuantizeError: It failed.
            OSError: The disk is full, or its input or output cannot be written.
        """
        ...


class WorkerQuantizer:
    """A quantiser that is installed somewhere, run as a subprocess.

    Args:
        installation: Which one, and in which Python.
        device: Where it computes; ``auto`` takes a GPU where its PyTorch sees one.
        progress: Hears what the workers report.
    """

    def __init__(
        self, installation: Installation, *, device: DeviceName, progress: Progress
    ) -> None:
        self._installation = installation
        self._device = device
        self._worker = Worker(
            installation.python,
            variables=installation.tool.variables,
            progress=progress,
        )

    @property
    def tool(self) -> str:
        """Name and version, for the manifest."""
        return f"{self._installation.tool.name} {self._installation.version}"

    def quantise(
        self,
        source: Path,
        weights: Path,
        *,
        group_size: int,
        samples: Sequence[Sample],
        work: Path,
    ) -> None:
        """Quantise; minutes for a small model, hours for a large one on a CPU."""
        calibration = work / "calibration.json"
        _write(calibration, [sample.token_ids for sample in samples])
        job = {
            "source": str(source),
            "calibration": str(calibration),
            "output": str(weights),
            "scratch": str(work),
            "bits": BITS,
            "group_size": group_size,
            "damp_percent": DAMP_PERCENT,
            "device": self._device,
        }
        self._worker.run(self._installation.tool.worker, job, work=work)

    def compare(
        self,
        source: Path,
        weights: Path,
        *,
        group_size: int,
        samples: Sequence[Sample],
        work: Path,
    ) -> Comparison:
        """Compare; both models are held in memory, in float32."""
        held_out = work / "held_out.json"
        _write(held_out, [asdict(sample) for sample in samples])
        output = work / "comparison.json"
        job = {
            "source": str(source),
            "quantised": str(weights),
            "samples": str(held_out),
            "output": str(output),
            "bits": BITS,
            "group_size": group_size,
            "device": self._device,
        }
        self._worker.run("perplexity_worker", job, work=work)
        return Comparison(**json.loads(output.read_text(encoding="utf-8")))


def _write(path: Path, content: object) -> None:
    path.write_text(json.dumps(content), encoding="utf-8")
