"""Checks the installed vLLM and its kernels for 4-bit weights."""

from collections.abc import Mapping
from importlib import metadata

from lsp_server.config import Device
from lsp_server.doctor.findings import Finding, failure, ok, warning
from lsp_server.doctor.torch import TorchFacts
from lsp_server.engine.vllm_build import PLUGIN, TESTED_VLLM, build_device

__all__ = ["check_kernels", "check_vllm", "plugin_is_loaded"]

_CUDA_KERNELS = {"gptq_marlin_repack": "Marlin", "machete_mm": "Machete"}


def check_vllm(found: Mapping[str, str], device: Device) -> Finding:
    """Check that one tested vLLM is installed, built for an engine on ``device``."""
    what = " and ".join(f"{name} {version}" for name, version in found.items())
    if not found:
        return failure(
            "vllm", "vLLM is not installed", "install the lock: make install"
        )
    if len(found) > 1:
        return failure(
            "vllm",
            f"{what} are installed over each other",
            "make a new environment: make clean install",
        )
    build = build_device(found)
    if build is not device:
        return failure(
            "vllm",
            f"{what} is the {build.value} build, and engine.device asks for "
            f"{device.value}",
            f"set engine.device to auto, or make install MIDFILL_DEVICE={device.value}",
        )
    (version,) = found.values()
    if version.partition("+")[0] != TESTED_VLLM:
        return warning(
            "vllm",
            f"{what}; Midfill is tested with {TESTED_VLLM}",
            "if the engine does not start, install the lock with make install",
        )
    return ok("vllm", what)


def plugin_is_loaded(environment: Mapping[str, str]) -> bool:
    """Return whether vLLM will load our plugin: it is installed, and not kept out."""
    installed = metadata.entry_points(group="vllm.general_plugins", name=PLUGIN)
    allowed = environment.get("VLLM_PLUGINS")
    return bool(installed) and (allowed is None or PLUGIN in allowed.split(","))


def check_kernels(facts: TorchFacts, device: Device, *, has_plugin: bool) -> Finding:
    """Check that there is a kernel for 4-bit weights on ``device``."""
    if device is Device.CUDA:
        names = [
            n for operator, n in _CUDA_KERNELS.items() if operator in facts.operators
        ]
        kernels = " and ".join(names)
    elif "cpu_gemm_wna16" in facts.operators:
        kernels = "vLLM's own for CPUs"
    elif has_plugin and "_weight_int4pack_mm_for_cpu" in facts.operators:
        kernels = "Midfill's own; vLLM has none for this CPU"
    else:
        kernels = ""
    if kernels:
        return ok("kernels", f"4-bit: {kernels}")
    reason = f" ({facts.library_error})" if facts.library_error else ""
    remedy = f"install the lock again: make install MIDFILL_DEVICE={device.value}"
    if device is Device.CPU and not has_plugin:
        reason = f" and vLLM does not load the plugin {PLUGIN}"
        remedy += f"; if VLLM_PLUGINS is set, add {PLUGIN} to it"
    return failure("kernels", f"none for 4-bit weights{reason}", remedy)
