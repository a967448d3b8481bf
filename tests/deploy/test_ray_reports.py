"""What the roster keeps, and what is made of it, without any Ray."""

from dataclasses import replace

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from lsp_server.errors import ConfigError
from lsp_server.observability.merged import merged
from midfill_ray.options import parse_options
from midfill_ray.reports import Report, Roster, Status, page_of

STATUS = Status(
    replica="one",
    deployment="engines",
    model="m",
    fingerprint="f" * 64,
    engine="scripted",
    device="cpu",
    is_ready=True,
    running=0,
    waiting=0,
)


class Clock:
    """A clock that stands until it is set."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def report(status: Status = STATUS, metrics: bytes = b"") -> Report:
    """Return a report."""
    return Report(status=status, metrics=metrics)


async def test_another_model_is_refused_while_the_first_one_lives() -> None:
    """The name stands for one model; once its last replica is gone, for another."""
    clock = Clock()
    roster = Roster(clock)
    other = replace(STATUS, replica="two", model="m2", fingerprint="0" * 64)
    assert "" == await roster.take(report())
    assert "m2" in await roster.take(report(other))
    assert [STATUS] == [each.status for each in await roster.reports()]
    clock.now_s += 60
    assert "" == await roster.take(report(other))


async def test_a_replica_that_leaves_is_forgotten() -> None:
    """At once, not only when its reports stop."""
    roster = Roster(Clock())
    await roster.take(report())
    await roster.take(report(replace(STATUS, replica="two")))
    await roster.leave("one")
    assert ["two"] == [each.status.replica for each in await roster.reports()]


def page(running: int, requests: int) -> bytes:
    """Return metrics as a replica renders them."""
    registry = CollectorRegistry()
    Gauge("midfill_running_generations", "Now.", ["model"], registry=registry).labels(
        "m"
    ).set(running)
    Counter("midfill_requests", "All.", registry=registry).inc(requests)
    return generate_latest(registry)


def test_metrics_of_all_replicas_are_one_page() -> None:
    """Each series says whose it is, and the ingress counts no engine again."""
    reports = [
        report(metrics=page(1, 0)),
        report(replace(STATUS, replica="two"), page(2, 0)),
        report(replace(STATUS, replica="in", deployment="ingress"), page(3, 5)),
    ]
    content, media_type = merged([page_of(each, ingress="ingress") for each in reports])
    assert media_type.startswith("text/plain")
    found = {
        (sample.name, sample.labels["replica"]): sample.value
        for family in text_string_to_metric_families(content.decode())
        for sample in family.samples
    }
    assert 1 == content.count(b"# TYPE midfill_requests_total ")
    assert 5 == found["midfill_requests_total", "in"]
    assert 2 == found["midfill_running_generations", "two"]
    assert ("midfill_running_generations", "in") not in found


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        ({"min_replica": 2}, "args.min_replica"),
        ({"min_replicas": 0}, "args.min_replicas"),
        ({"min_replicas": 3, "max_replicas": 2}, "args.max_replicas"),
        (
            {"target_ongoing_requests": 9, "max_ongoing_requests": 8},
            "args.max_ongoing_requests",
        ),
        ({"settings": {"engine": 3}}, "args.settings.engine"),
    ],
)
def test_a_wrong_option_is_named(arguments: dict[str, object], names: str) -> None:
    """Ray Serve itself would take every one of them."""
    with pytest.raises(ConfigError) as raised:
        parse_options(arguments)
    assert names == raised.value.subject


def test_an_applications_settings_go_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """A node's environment sets what they leave open."""
    monkeypatch.setenv("MIDFILL_ENGINE_KIND", "vllm")
    monkeypatch.setenv("MIDFILL_ENGINE_MAX_NUM_SEQS", "5")
    config = (
        parse_options({"settings": {"engine": {"kind": "scripted"}}}).resolved().config
    )
    assert ("scripted", 5) == (config.engine.kind.value, config.engine.max_num_seqs)


def test_a_replica_takes_three_times_its_target() -> None:
    """So that vLLM has something to batch."""
    assert 30 == parse_options({"target_ongoing_requests": 10}).most_ongoing
    chosen = {"target_ongoing_requests": 10, "max_ongoing_requests": 20}
    assert 20 == parse_options(chosen).most_ongoing
