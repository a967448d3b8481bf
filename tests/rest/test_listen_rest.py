"""The daemon serves the REST API on the engine that its editors use."""

import random
import socket
import string
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from lsp_server.config import (
    AccessConfig,
    Config,
    EngineConfig,
    EngineKind,
    MetricsConfig,
    RestConfig,
)
from lsp_server.daemon.listen_rest import rest_api
from lsp_server.observability.observe import observed
from lsp_server.service.engine_pool import EnginePool
from lsp_server.service.engine_start import starter_of


def settings(tmp_path: Path, listen: str, **access: object) -> Config:
    """Return settings with a scripted engine."""
    return Config(
        engine=EngineConfig(kind=EngineKind.SCRIPTED),
        rest=RestConfig(listen=listen),
        access=AccessConfig(
            keys_file=str(tmp_path / "keys.jsonl"),
            log=str(tmp_path / "access.jsonl"),
            **access,  # type: ignore[arg-type]  # each test names real fields
        ),
    )


async def test_one_engine_serves_both(tmp_path: Path) -> None:
    """The API holds the engine that an editor of the same settings gets."""
    pool = EnginePool(starter_of, max_engines=1)
    config = settings(tmp_path, "127.0.0.1:0")
    try:
        async with rest_api(config, pool) as port:
            [host] = pool.hosts
            editor = pool.acquire(config)
            assert host is editor.host
            assert 1 < pool.leases_of(host)
            async with httpx.AsyncClient(base_url=f"http://localhost:{port}") as http:
                while (await http.get("/ready")).status_code == 503:
                    pass
                answer = await http.post("/v1/completions", json={"prompt": "a"})
                assert "pass\n" == answer.json()["choices"][0]["text"]
            editor.release()
        assert not pool.leases_of(host)
    finally:
        await pool.close()


@pytest.mark.parametrize("listen", ["", "nonsense", "0.0.0.0:0", "[::]:0", "127.0.0.1"])
async def test_what_is_not_safe_or_possible_is_not_served(
    tmp_path: Path, listen: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The log says why, no engine is loaded for it, and the block runs on."""
    pool = EnginePool(starter_of, max_engines=1)
    async with rest_api(settings(tmp_path, listen), pool) as port:
        assert port is None
        assert not pool.hosts
    assert bool(listen) == ("rest.not_served" in caplog.text)


async def test_a_port_in_use_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Another program has it; the editors are served all the same."""
    pool = EnginePool(starter_of, max_engines=1)
    refused: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        try:
            async with rest_api(
                settings(tmp_path, listen), pool, on_refused=refused.append
            ) as port:
                assert port is None
                assert not pool.hosts
        finally:
            await pool.close()
    [record] = [each for each in caplog.records if each.msg == "rest.not_served"]
    assert [vars(record)["why"]] == refused
    assert "choose another port" in refused[0].lower()


def random_request(draw: random.Random) -> tuple[str, str, dict[str, object]]:
    """Return a method, a path and a body, about half of them of the API."""

    def word() -> str:
        return "".join(draw.choices(string.ascii_letters, k=12))

    method = draw.choice(["GET", "POST", "PUT", "OPTIONS", "HEAD", "TRACE", word()])
    routes = ["/v1/completions", "/v1/chat/completions", "/infill", "/ready", "/docs"]
    path = draw.choice([*routes, f"/{word()}", f"/v1/{word()}/{word()}"])
    body: dict[str, object] = {word(): word(), "prompt": word(), "model": word()}
    return method, f"{path}?{word()}={word()}", body


async def test_random_requests_make_no_series(tmp_path: Path) -> None:
    """Fault 39: methods, paths, models and headers are all a client's to choose."""
    draw = random.Random(39)  # noqa: S311 - the same requests in each run
    with observed(MetricsConfig(), is_served=True) as measured:
        pool = EnginePool(starter_of, max_engines=1, metrics=measured.metrics)
        serving = rest_api(
            settings(tmp_path, "127.0.0.1:0"),
            pool,
            metrics=measured.metrics,
            render_metrics=measured.render,
        )
        try:
            async with (
                serving as port,
                httpx.AsyncClient(base_url=f"http://localhost:{port}") as http,
            ):
                while (await http.get("/ready")).status_code == 503:
                    pass
                statuses = set()
                read = []
                for number in range(501):
                    if number % 250 == 0:
                        read.append(series((await http.get("/metrics")).text))
                    method, path, body = random_request(draw)
                    headers = {"user-agent": path, "authorization": f"Bearer {path}"}
                    answer = await http.request(
                        method, path, json=body, headers=headers
                    )
                    statuses.add(answer.status_code)
        finally:
            await pool.close()
    assert {400, 404, 405} <= statuses
    # The first ones have their routes' own.
    _, before, after = read
    assert set(before) == set(after)
    assert sum(after.values()) > sum(before.values()) + 200


def series(text: str) -> dict[str, float]:
    """Return the values of all series but those of the process."""
    return {
        f"{sample.name} {sample.labels}": sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if "process" not in sample.name
    }
