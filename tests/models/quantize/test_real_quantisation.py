"""The whole command with the real auto-gptq, on a model of two layers."""

from pathlib import Path

import pytest

from models.manifest import check_quantisation, load_manifest, verify
from models.quantize.__main__ import main
from models.quantize.environment import (
    default_environment,
    default_requirements,
    ensure_environment,
)
from models.quantize.process import run_command
from models.quantize.source import SUPPORTED_MODEL_TYPES
from models.safetensors_header import read_header

pytestmark = pytest.mark.slow


def test_quantises_a_tiny_llama(
    tiny_source: Path,
    python_files: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One command makes a folder that passes every check, close to its source.

    A source with weights drawn at random says nothing of accuracy, but a mistake in
    packing, order or types shows in the comparison, which the command itself judges.
    """
    output = tmp_path / "tiny-gptq"
    status = main(
        [
            *(str(tiny_source), "--output", str(output), "--family", "midfill"),
            *("--group-size", "32", "--calibration", str(python_files)),
            *("--samples", "16", "--sample-tokens", "200"),
        ]
    )
    said = capsys.readouterr()
    assert 0 == status, said.err
    manifest = load_manifest(output)
    verify(output, manifest)
    check_quantisation(output, manifest, device="cpu")
    tensors = read_header(output / "model.safetensors")
    assert (8, 64) == tensors["model.layers.0.self_attn.q_proj.qweight"].shape
    assert "lm_head.weight" not in tensors
    assert not [name for name in tensors if name.endswith(".bias")]
    assert "same choice" in said.out
    same_choice = float(said.out.split("same choice ")[1].split("%")[0])
    assert same_choice > 50


def test_auto_gptq_knows_what_we_say_it_knows() -> None:
    """Every supported model type is one of auto-gptq's."""
    python = ensure_environment(
        default_environment(),
        requirements=default_requirements(),
        progress=lambda _: None,
    )
    script = (
        "from auto_gptq.modeling.auto import GPTQ_CAUSAL_LM_MODEL_MAP as known\n"
        "print(*known)"
    )
    lines: list[str] = []
    run_command([python, "-I", "-c", script], what="it", progress=lines.append)
    assert set(lines[-1].split()) >= SUPPORTED_MODEL_TYPES
