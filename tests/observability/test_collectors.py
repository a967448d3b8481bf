"""GPUs' metrics, with the driver's library played by a module of the same name."""

import sys

import pytest
from live_prometheus import FAKE_DRIVER
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from lsp_server.observability.collectors import GpuCollector

PREFIX = "midfill_gpu_"


def series(collector: GpuCollector) -> dict[str, float]:
    """Return the series by their name and their label."""
    registry = CollectorRegistry()
    registry.register(collector)
    text = generate_latest(registry).decode()
    return {
        f"{sample.name[len(PREFIX) :]}/{sample.labels['gpu']}": sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with a driver."""
    monkeypatch.syspath_prepend(FAKE_DRIVER)
    monkeypatch.delitem(sys.modules, "pynvml", raising=False)


@pytest.mark.usefixtures("driver")
def test_each_gpu_that_answers_has_its_series() -> None:
    """One that is lost has none, and costs the others nothing."""
    assert {
        "utilisation_ratio/0": 0.97,
        "utilisation_ratio/1": 0.0,
        "memory_used_bytes/0": 26_388_463_616,
        "memory_used_bytes/1": 0,
        "memory_total_bytes/0": 150_754_820_096,
        "memory_total_bytes/1": 150_754_820_096,
    } == series(GpuCollector())


@pytest.mark.usefixtures("driver")
def test_a_machine_without_a_driver_is_asked_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It has the library, as a container with the wrong runtime does."""
    import pynvml  # type: ignore[import-not-found]  # noqa: PLC0415 - the fixture's

    asked = []

    def refuse() -> None:
        asked.append("driver")
        raise pynvml.NVMLError("driver not loaded")

    monkeypatch.setattr(pynvml, "nvmlInit", refuse)
    collector = GpuCollector()
    assert {} == series(collector)
    assert {} == series(collector)
    assert ["driver"] == asked


def test_a_machine_without_the_library_has_no_such_metrics(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As every installation for CPUs."""
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert {} == series(GpuCollector())
