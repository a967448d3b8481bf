"""Metrics that are measured when they are read: memory, processor time and GPUs.

NVML, the driver's own library, knows the GPUs; `pynvml` (nvidia-ml-py), which vLLM for
CUDA brings along, asks it. Where there is no such GPU, there are no such metrics.
"""

import importlib
import logging
import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from types import ModuleType

import psutil
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

__all__ = ["GpuCollector", "MemoryCollector"]

_log = logging.getLogger(__name__)
_FRONT_END = "lsp_server.daemon.front_ends.process"
"""Stands in the command line of a front end."""

_MOST_GPUS = 64
"""No machine has more; the label is bounded all the same."""


class MemoryCollector(Collector):
    """Measures memory and processor time whenever the metrics are read.

    Everything below this process counts as ``engine``, but for front ends, which report
    what they use by themselves: it starts nothing else that stays.
    """

    def __init__(self) -> None:
        """Remember the process and when it began."""
        self._process = psutil.Process(os.getpid())
        self._started_s = self._process.create_time()

    def collect(self) -> Iterable[Metric]:
        """Return memory, processor time and the time since the start."""
        memory = GaugeMetricFamily(
            "midfill_process_resident_memory_bytes",
            "Resident memory of the server and of its engines' processes.",
            labels=["process"],
        )
        cpu = CounterMetricFamily(
            "midfill_process_cpu_seconds",
            "Processor time of the server and of its engines' processes.",
            labels=["process"],
        )
        own = {"server": [self._process], "engine": self._children()}
        for name, processes in own.items():
            used = [each for each in map(_used, processes) if each is not None]
            memory.add_metric([name], sum(each[0] for each in used))
            cpu.add_metric([name], sum(each[1] for each in used))
        uptime = GaugeMetricFamily(
            "midfill_uptime_seconds",
            "How long the server has run.",
            value=max(0.0, time.time() - self._started_s),
        )
        return (memory, cpu, uptime)

    def _children(self) -> list[psutil.Process]:
        """Return every process below this one."""
        try:
            found = self._process.children(recursive=True)
        except psutil.Error:
            return []
        return [each for each in found if not _is_front_end(each)]


def _is_front_end(process: psutil.Process) -> bool:
    """Return whether a process has metrics of its own."""
    try:
        return _FRONT_END in process.cmdline()
    except psutil.Error:
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Gpu:
    """One GPU as it is now."""

    index: int
    busy: float
    used_bytes: int
    total_bytes: int


class GpuCollector(Collector):
    """Asks the driver whenever the metrics are read.

    A machine without a driver is asked once.
    """

    def __init__(self) -> None:
        """Ask nothing yet: the first question takes time."""
        self._is_asked = False
        self._library: ModuleType | None = None

    def collect(self) -> Iterable[Metric]:
        """Return each GPU's use and memory; nothing where there is none."""
        if not self._is_asked:
            self._is_asked = True
            self._library = _open_library()
        gpus = _read(self._library) if self._library is not None else ()
        if not gpus:
            return ()
        busy = GaugeMetricFamily(
            "midfill_gpu_utilisation_ratio",
            "Share of the time in which the GPU computed, 0 to 1.",
            labels=["gpu"],
        )
        used = GaugeMetricFamily(
            "midfill_gpu_memory_used_bytes",
            "The GPU's memory that is taken, by any process.",
            labels=["gpu"],
        )
        total = GaugeMetricFamily(
            "midfill_gpu_memory_total_bytes", "The GPU's memory.", labels=["gpu"]
        )
        for gpu in gpus:
            label = [str(gpu.index)]
            busy.add_metric(label, gpu.busy)
            used.add_metric(label, gpu.used_bytes)
            total.add_metric(label, gpu.total_bytes)
        return (busy, used, total)


def _open_library() -> ModuleType | None:
    """Return `pynvml`, connected to the driver; None where one of them is missing."""
    try:
        library = importlib.import_module("pynvml")
    except ImportError:
        return None
    try:
        library.nvmlInit()
    except library.NVMLError as error:
        _log.debug("gpu.no_driver", extra={"why": str(error)})
        return None
    return library


def _read(library: ModuleType) -> Sequence[_Gpu]:
    """Return every GPU that answers."""
    gpus = []
    try:
        count = min(int(library.nvmlDeviceGetCount()), _MOST_GPUS)
    except library.NVMLError:
        return ()
    for index in range(count):
        try:
            handle = library.nvmlDeviceGetHandleByIndex(index)
            busy = library.nvmlDeviceGetUtilizationRates(handle)
            memory = library.nvmlDeviceGetMemoryInfo(handle)
        except library.NVMLError:
            # Lost, or shared in a way that keeps this from it; the others answer.
            continue
        gpus.append(
            _Gpu(
                index=index,
                busy=int(busy.gpu) / 100,
                used_bytes=int(memory.used),
                total_bytes=int(memory.total),
            )
        )
    return gpus


def _used(process: psutil.Process) -> tuple[int, float] | None:
    """Return a process's resident bytes and processor seconds; None if it has ended."""
    try:
        with process.oneshot():
            times = process.cpu_times()
            return process.memory_info().rss, times.user + times.system
    except psutil.Error:
        return None
