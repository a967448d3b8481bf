"""The daemon serves the REST API on the engine that its editors use."""

import socket
from pathlib import Path

import httpx
import pytest

from lsp_server.config import (
    AccessConfig,
    Config,
    EngineConfig,
    EngineKind,
    RestConfig,
)
from lsp_server.daemon.listen_rest import rest_api
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
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        try:
            async with rest_api(settings(tmp_path, listen), pool) as port:
                assert port is None
                assert not pool.hosts
        finally:
            await pool.close()
    [record] = [each for each in caplog.records if each.msg == "rest.not_served"]
    assert "choose another port" in str(vars(record)["why"]).lower()
