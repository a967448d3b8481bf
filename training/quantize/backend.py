"""Quantises and compares checkpoints by a quantiser in a subprocess."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, Protocol

from training.progress import Progress
from training.quantize.calibration import Sample
from training.quantize.quantisers import BITS, Installation
from training.quantize.worker import Worker

__all__ = ["Comparison", "DeviceName", "Quantizer", "WorkerQuantizer"]

DeviceName = Literal["auto", "cpu", "cuda"]

DAMP_PERCENT = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A quantised model beside its source, on text that neither was calibrated with.

    Attributes:
        source_perplexity: The source's perplexity over all tokens.
        perplexity: The quantised model's.
        source_middle_perplexity: The source's over the middles alone.
        middle_perplexity: The quantised model's.
        divergence_nats: Mean Kullback-Leibler divergence from the source, in nats.
        same_choice: Share of tokens for which both rank the same one first.
        tokens: Tokens compared.
        middle_tokens: Those of them that belong to middles.
    """

    source_perplexity: float
    perplexity: float
    source_middle_perplexity: float
    middle_perplexity: float
    divergence_nats: float
    same_choice: float
    tokens: int
    middle_tokens: int

    def __str__(self) -> str:
        """Return all of it in one line."""
        return (
            f"perplexity {self.perplexity:.3f} (source {self.source_perplexity:.3f}), "
            f"middles {self.middle_perplexity:.3f} "
            f"(source {self.source_middle_perplexity:.3f}), "
            f"divergence {self.divergence_nats:.4f} nats, "
            f"same choice {self.same_choice:.1%} of {self.tokens} tokens"
        )


class Quantizer(Protocol):
    """Turns 16-bit weights into 4-bit weights, and compares the two.

    ``source`` is a folder with weights and a configuration that the quantiser reads;
    ``work`` is a folder for the files that the processes exchange.
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
    """An installed quantiser, run as a subprocess.

    Args:
        installation: Which one, and in which Python.
        device: Where it computes; ``auto`` is a GPU if its PyTorch sees one.
        progress: Shows what the workers report.
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
        """Quantise, which takes minutes, or on a CPU hours for a large model."""
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
        """Compare, with both models in memory, in float32."""
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
