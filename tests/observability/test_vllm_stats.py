"""vLLM's own metrics stand beside ours, and are readable through a restart."""

from contextlib import aclosing

import pytest
from news_listener import Listener
from prometheus_client.parser import text_string_to_metric_families

from lsp_server.config import Config, EngineConfig
from lsp_server.engine.launch import child_processes
from lsp_server.engine.vllm_messages import VllmMetrics
from lsp_server.engine_values import EngineNews, EngineState
from lsp_server.errors import EngineDeadError
from lsp_server.observability.prometheus import PrometheusMetrics
from lsp_server.service.engine_host import EngineHost
from lsp_server.service.engine_start import starter_of
from lsp_server.values import GenerationRequest

pytestmark = [
    pytest.mark.engine,
    # vLLM warns of PyTorch's plans.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

GENERATED = "vllm:generation_tokens_total"
RESTARTS = "midfill_engine_restarts_total"


def values(metrics: PrometheusMetrics) -> dict[str, float]:
    """Return the sum of each name's series, none of which stands there twice."""
    found: dict[str, float] = {}
    seen = set()
    for family in text_string_to_metric_families(metrics.render()[0].decode()):
        for sample in family.samples:
            series = (sample.name, *sorted(sample.labels.items()))
            assert series not in seen
            seen.add(series)
            found[sample.name] = found.get(sample.name, 0) + sample.value
    return found


class Reader(Listener):
    """Reads the metrics at all news, so in every state of a restart."""

    def __init__(self, metrics: PrometheusMetrics) -> None:
        super().__init__()
        self.metrics = metrics
        self.restarts: list[float] = []

    def engine_changed(self, news: EngineNews) -> None:
        self.restarts.append(values(self.metrics)[RESTARTS])
        super().engine_changed(news)


async def generate(host: EngineHost, tokens: int) -> None:
    """Generate so many tokens."""
    request = GenerationRequest(
        request_id=f"test-{tokens}", token_ids=tuple(range(5, 40)), max_tokens=tokens
    )
    async with aclosing(host.engine.generate(request)) as deltas:
        async for _ in deltas:
            pass


async def test_a_restart_begins_vllms_metrics_anew() -> None:
    """Counters start from zero, as Prometheus expects of one, and ours go on."""
    stats = VllmMetrics()
    metrics = PrometheusMetrics(collectors=[stats])
    config = Config(engine=EngineConfig(kv_cache_memory_bytes=96 << 20))
    start = starter_of(config.engine.kind, stats=stats)
    host = EngineHost(config, start, metrics=metrics)
    reader = Reader(metrics)
    try:
        host.begin()
        host.attach(reader)
        await reader.until(EngineState.READY, timeout_s=300)
        await generate(host, 40)
        before = values(metrics)
        for process in child_processes():
            process.kill()
        with pytest.raises(EngineDeadError):
            await generate(host, 30)
        await reader.until(EngineState.RESTARTING)
        await reader.until(EngineState.READY, timeout_s=300)
        await generate(host, 20)
        after = values(metrics)
    finally:
        await host.close()
    assert (0, 1) == (before[RESTARTS], after[RESTARTS])
    assert 40 < before[GENERATED] < 60
    assert 20 < after[GENERATED] < 40
    assert {name for name in before if name.startswith("vllm:")} <= set(after)
    assert {0, 1} <= set(reader.restarts)
    assert GENERATED in values(metrics)
