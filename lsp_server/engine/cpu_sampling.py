"""Mends vLLM's sampling on a CPU, in the engine's own process.

- vLLM compiles the function that log-probabilities need when it is first used, with a
  C++ compiler that a user need not have. Without one the engine would die.
- While a prompt is read in parts, vLLM discards what it samples, and rewinds the random
  numbers of a request that has a seed. PyTorch's generators for CPUs refuse that, and
  the engine would die of it.

Source: vLLM 0.32, ``v1/sample/ops/logprobs.py`` and ``v1/worker/gpu_model_runner.py``.
"""

import torch

__all__ = ["RewindableGenerator", "mend_sampling"]


class RewindableGenerator(torch.Generator):
    """A generator for a CPU that can be rewound to its beginning."""

    def get_offset(self) -> int:
        """Return how far it has got: not known, so 0."""
        return 0

    def set_offset(self, offset: int) -> torch.Generator:  # noqa: ARG002 - PyTorch's
        """Begin anew: nothing that was drawn until now was used."""
        return self.manual_seed(self.initial_seed())


def mend_sampling() -> None:
    """Mend this process, if its vLLM computes on a CPU."""
    from vllm.platforms import current_platform

    if current_platform.is_cpu():
        current_platform.simple_compile_backend = "eager"
        torch.Generator = RewindableGenerator  # type: ignore[misc]  # vLLM's are meant
