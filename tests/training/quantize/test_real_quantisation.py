"""The whole command with the real quantisers and vLLM, on models of two layers."""

import subprocess
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from lsp_server.modelstore.compatibility import check_quantisation
from lsp_server.modelstore.manifest import load_manifest
from lsp_server.modelstore.model_files import read_header
from lsp_server.modelstore.verify import verify
from training.quantize.quantisers import (
    AUTO_GPTQ,
    GPTQMODEL,
    Tool,
    default_environment,
    default_requirements,
    ensure_environment,
)
from training.quantize.worker import run_command

pytestmark = [pytest.mark.slow, pytest.mark.engine]

Raw: TypeAlias = dict[str, object]
EditJson: TypeAlias = Callable[[Path, Callable[[Raw], object]], None]

HEAD = 32


@pytest.fixture
def tiny_qwen3(tiny_source: Path, edit_json: EditJson) -> Path:
    """Make the tiny Llama a Qwen3, whose heads' queries and keys are normed."""

    def state(config: Raw) -> None:
        config["architectures"] = ["Qwen3ForCausalLM"]
        config |= {"model_type": "qwen3", "head_dim": HEAD, "attention_bias": False}

    edit_json(tiny_source / "config.json", state)
    path = tiny_source / "model.safetensors"
    tensors = load_file(path)
    for name in list(tensors):
        if name.endswith("q_proj.weight"):
            at = name.removesuffix("q_proj.weight")
            tensors[f"{at}q_norm.weight"] = np.ones(HEAD, np.float16)
            tensors[f"{at}k_norm.weight"] = np.ones(HEAD, np.float16)
    save_file(tensors, path, {"format": "pt"})
    return tiny_source


def check(source: Path, code: Path, tool: Tool) -> None:
    """Check that one command makes a folder that passes every check.

    A source with weights drawn at random says nothing of accuracy, but a mistake in
    packing, order or types shows in the comparison, which the command itself judges.
    It runs as a process of its own: vLLM's imports warn, and warnings are errors here.
    """
    output = source.with_name("tiny-gptq")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "lsp_server", "quantize", source, "--out", output),
            *("--family", "midfill", "--backend", tool.name, "--group-size", "32"),
            *("--calibration", code, "--samples", "16", "--sample-tokens", "200"),
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[3],
    )
    assert 0 == done.returncode, done.stderr
    assert "quantising layers: 2 of 2" in done.stderr
    assert "completed a line with" in done.stderr
    manifest = load_manifest(output)
    verify(output, manifest)
    check_quantisation(output, manifest, device="cpu")
    assert manifest.quantisation is not None
    assert f"{tool.name} {tool.version}" == manifest.quantisation.tool
    tensors = read_header(output / "model.safetensors")
    assert (8, 64) == tensors["model.layers.0.self_attn.q_proj.qweight"].shape
    assert "lm_head.weight" not in tensors
    assert not [name for name in tensors if name.endswith(".bias")]
    assert str(source.parent) not in (output / "config.json").read_text()
    same_choice = float(done.stdout.split("same choice ")[1].split("%")[0])
    assert same_choice > 50


def need_gptqmodel() -> None:
    """Skip where only the engine's lock is installed."""
    try:
        metadata.version(GPTQMODEL.name)
    except metadata.PackageNotFoundError:
        pytest.skip("GPTQModel is an extra: make install-gptqmodel")


def test_auto_gptq_quantises_a_tiny_llama(
    tiny_source: Path, python_files: Path
) -> None:
    """In its own environment."""
    check(tiny_source, python_files, AUTO_GPTQ)


def test_gptqmodel_quantises_a_tiny_llama(
    tiny_source: Path, python_files: Path
) -> None:
    """In the engine's environment."""
    need_gptqmodel()
    check(tiny_source, python_files, GPTQMODEL)


def test_gptqmodel_quantises_a_tiny_qwen3(tiny_qwen3: Path, python_files: Path) -> None:
    """An architecture that auto-gptq does not know."""
    need_gptqmodel()
    check(tiny_qwen3, python_files, GPTQMODEL)


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
    assert set(lines[-1].split()) >= AUTO_GPTQ.model_types
