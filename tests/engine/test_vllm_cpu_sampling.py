"""What vLLM cannot do on a CPU as it comes does not end the engine."""

import contextlib
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from vllm import platforms

from lsp_server.config import EngineConfig
from lsp_server.engine.vllm_cpu import RewindableGenerator, mend_sampling
from lsp_server.engine.vllm_engine import VllmEngine
from lsp_server.values import GenerationRequest


def test_a_rewound_generator_begins_anew() -> None:
    """As if nothing had been drawn."""
    generator = RewindableGenerator(device="cpu")
    generator.manual_seed(7)
    first = torch.rand(5, generator=generator)
    generator.set_offset(generator.get_offset() - 4)
    assert torch.equal(first, torch.rand(5, generator=generator))
    assert not torch.equal(first, torch.rand(5, generator=generator))


@pytest.mark.parametrize(("device", "mended"), [("cpu", True), ("cuda", False)])
def test_only_a_cpus_vllm_is_mended(
    monkeypatch: pytest.MonkeyPatch, device: str, *, mended: bool
) -> None:
    """On CUDA it compiles its functions, and its generators can be rewound."""
    platform = SimpleNamespace(
        is_cpu=lambda: device == "cpu", simple_compile_backend="inductor"
    )
    monkeypatch.setattr(platforms, "current_platform", platform)
    monkeypatch.setattr(torch, "Generator", torch.Generator)
    mend_sampling()
    assert mended is (platform.simple_compile_backend == "eager")
    assert mended is (torch.Generator is RewindableGenerator)


@pytest.mark.engine
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_a_sampled_candidate_may_have_its_prompt_read_in_parts(
    shipped_model: Path,
) -> None:
    """It gets the answer that it gets of a prompt that was read at once."""
    engine = await VllmEngine.start(
        EngineConfig(kv_cache_memory_bytes=96 << 20, max_num_batched_tokens=64),
        model_folder=shipped_model,
        context_length=2048,
        quantization="gptq",
    )
    answers = []
    try:
        # The second time the prefix cache holds the prompt: one part is left.
        for number in range(2):
            request = GenerationRequest(
                request_id=f"r{number}",
                token_ids=tuple(range(10, 300)),
                max_tokens=8,
                temperature=1.0,
                candidate=1,
            )
            async with contextlib.aclosing(engine.generate(request)) as deltas:
                answers.append([t async for delta in deltas for t in delta.token_ids])
    finally:
        await engine.close()
    assert answers[0] == answers[1]
    assert 8 == len(answers[0])
