"""The memory of this process and of the engines that it started."""

import os
import time
from collections.abc import Iterable

import psutil
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

__all__ = ["MemoryCollector"]


class MemoryCollector(Collector):
    """Measures memory and processor time whenever the metrics are read.

    Everything below this process counts as ``engine``: it starts nothing else that
    stays.
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
            return self._process.children(recursive=True)
        except psutil.Error:
            return []


def _used(process: psutil.Process) -> tuple[int, float] | None:
    """Return a process's resident bytes and processor seconds; None if it has ended."""
    try:
        with process.oneshot():
            times = process.cpu_times()
            return process.memory_info().rss, times.user + times.system
    except psutil.Error:
        return None
