"""Hands the heavy work to auto-gptq, in its own environment."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from importlib.resources import as_file, files
from pathlib import Path
from typing import Protocol

from models.quantize.calibration import Sample
from models.quantize.process import Progress, run_command
from models.quantize.verify import Comparison

__all__ = ["BITS", "AutoGptq", "Quantizer"]

BITS = 4
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
            OSError: Its input cannot be written.
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
            OSError: Its input or output cannot be written.
        """
        ...


class AutoGptq:
    """auto-gptq 0.7.1, run as a subprocess."""

    tool = "auto-gptq 0.7.1"

    def __init__(self, python: Path, *, progress: Progress) -> None:
        """Keep how to run it.

        Args:
            python: The Python of the private environment.
            progress: Hears what the workers say.
        """
        self._python = python
        self._progress = progress

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
            "bits": BITS,
            "group_size": group_size,
            "damp_percent": DAMP_PERCENT,
        }
        self._run("autogptq_worker.py", job, work=work)

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
        }
        self._run("perplexity_worker.py", job, work=work)
        return Comparison(**json.loads(output.read_text(encoding="utf-8")))

    def _run(self, worker: str, job: object, *, work: Path) -> None:
        job_path = work / f"{worker}.job.json"
        _write(job_path, job)
        with as_file(files("models.quantize") / worker) as script:
            # -I: neither this package nor the user's environment is on its path.
            run_command(
                [self._python, "-I", script, job_path],
                what=worker.removesuffix(".py").replace("_", " "),
                progress=self._progress,
            )


def _write(path: Path, content: object) -> None:
    path.write_text(json.dumps(content), encoding="utf-8")
