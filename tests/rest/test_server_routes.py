"""Health, readiness, metrics and models."""

import asyncio
from pathlib import Path

import pytest
from news_listener import Listener
from rest_server import Serve

from lsp_server.config import (
    SHIPPED_MODEL,
    Config,
    ModelConfig,
    PrivacyConfig,
    RestConfig,
    ScriptConfig,
)
from lsp_server.engine_values import EngineState
from lsp_server.rest import served_models, server_routes


async def test_health_is_life_and_readiness_is_a_generation(serve: Serve) -> None:
    """One generation proves it for a while, however many ask at the same time."""
    async with serve() as served:
        async with asyncio.TaskGroup() as group:
            asked = [group.create_task(served.http.get("/ready")) for _ in range(8)]
        assert {200} == {each.result().status_code for each in asked}
        assert 1 == len(served.engine.requests)
        assert 1 == served.engine.requests[0].max_tokens


async def test_nothing_is_ready_before_the_engine(serve: Serve) -> None:
    """A server that loads is alive, lists its model, and refuses work with a reason."""
    async with serve(starts=False) as served:
        assert 200 == (await served.http.get("/health")).status_code
        [listed] = (await served.http.get("/v1/models")).json()["data"]
        assert SHIPPED_MODEL == listed["id"]
        for answer in (
            await served.http.get("/ready"),
            await served.http.get("/props"),
            await served.http.post("/v1/completions", json={"prompt": "a"}),
        ):
            assert 503 == answer.status_code
            assert "not_ready" == answer.json()["error"]["code"]
            assert answer.headers["retry-after"]


@pytest.mark.parametrize("secrets", [True, False])
async def test_what_finds_secrets_is_loaded_before_a_request_needs_it(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, *, secrets: bool
) -> None:
    """Loading takes a third of a second; where nothing looks for them it is left."""
    begun: list[bool] = []
    monkeypatch.setattr(served_models, "load_rules_ahead", lambda: begun.append(True))
    config = Config(privacy=PrivacyConfig(secrets=secrets))
    async with serve(starts=False, config=config):
        assert [True] * secrets == begun


async def test_what_failed_for_good_is_not_worth_another_try(serve: Serve) -> None:
    """The answer says what failed and what to do about it, and not to try again."""
    config = Config(model=ModelConfig(path="no-such-model"))
    async with serve(starts=False, config=config) as served:
        listener = Listener()
        served.host.attach(listener)
        served.host.begin()
        await listener.until(EngineState.FAILED)
        for answer in (
            await served.http.get("/ready"),
            await served.http.post("/v1/completions", json={"prompt": "a"}),
        ):
            assert 503 == answer.status_code
            assert "retry-after" not in answer.headers
            error = answer.json()["error"]
            assert "model_failed" == error["code"]
            for part in ("'no-such-model'", "`midfill models pull`", "starts it again"):
                assert part in error["message"]
            assert "few seconds" not in error["message"]


async def test_an_engine_that_hangs_or_dies_is_not_ready(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that is there proves nothing."""
    monkeypatch.setattr(server_routes, "_PROOF_LIMIT_S", 0.05)
    for script in (
        ScriptConfig(token_delay_ms=10_000),
        ScriptConfig(die_after_requests=1),
    ):
        async with serve(script=script) as served:
            answer = await served.http.get("/ready")
            assert 503 == answer.status_code
            assert "not_ready" == answer.json()["error"]["code"]


async def test_a_drain_completes_what_has_begun(serve: Serve) -> None:
    """Fault 26: unready at once, new work refused, and the old one answered whole."""
    script = ScriptConfig(token_delay_ms=10)
    async with serve("x = 1\n" * 10, script=script) as served:
        body = {"prompt": "a", "max_tokens": 200}
        begun = asyncio.create_task(served.http.post("/v1/completions", json=body))
        while not served.engine.requests:  # noqa: ASYNC110  the engine has no event
            await asyncio.sleep(0.002)
        draining = asyncio.create_task(served.host.drain(20))
        await asyncio.sleep(0)
        assert 503 == (await served.http.get("/ready")).status_code
        assert 200 == (await served.http.get("/health")).status_code
        refused = await served.http.post("/v1/completions", json=body)
        assert 503 == refused.status_code
        assert "x = 1\n" * 10 == (await begun).json()["choices"][0]["text"]
        assert 0 == await draining


async def test_the_list_describes_each_model_as_its_own_route_does(
    serve: Serve,
) -> None:
    """Clients read the context's length there; a slash at the end changes nothing."""
    async with serve() as served:
        listed = (await served.http.get("/v1/models")).json()
        one = (await served.http.get(f"/v1/models/{SHIPPED_MODEL}")).json()
        assert [one] == listed["data"]
        assert one["max_model_len"] == 2048
        assert one["created"] > 0
        assert listed == (await served.http.get("/v1/models/")).json()


async def test_head_is_get_without_its_body_and_405_says_what_is_allowed(
    serve: Serve,
) -> None:
    """Source: RFC 9110, 9.3.2 and 15.5.6; monitors ask by HEAD."""
    async with serve() as served:
        for path in ("/health", "/v1/models", "/docs"):
            head, get = await served.http.head(path), await served.http.get(path)
            assert (200, b"") == (head.status_code, head.content)
            assert get.headers["content-length"] == head.headers["content-length"]
        for method, path, allowed in (
            ("HEAD", "/infill", "POST"),
            ("GET", "/v1/completions", "POST"),
            ("POST", "/v1/models", "GET, HEAD"),
        ):
            answer = await served.http.request(method, path)
            assert (405, allowed) == (answer.status_code, answer.headers["allow"])


async def test_a_compressed_body_is_refused_as_such(serve: Serve) -> None:
    """What it unpacks to has no limit; the client learns that it need not pack it."""
    async with serve() as served:
        for coding, status in (("gzip", 415), ("br", 415), ("Identity", 200)):
            answer = await served.http.post(
                "/infill", json={}, headers={"content-encoding": coding}
            )
            assert status == answer.status_code
            if status != 200:
                assert "content-encoding" in answer.json()["error"]["message"]


async def test_an_allowed_page_may_send_what_its_client_sends(serve: Serve) -> None:
    """OpenAI's client for web pages adds headers; a page reads those of the answer."""
    page = "https://ide.example"
    asked = "authorization, content-type, x-session-id, x-stainless-os"
    async with serve(web_origins=(page,)) as served:
        preflight = await served.http.options(
            "/v1/completions",
            headers={
                "origin": page,
                "access-control-request-method": "POST",
                "access-control-request-headers": asked,
            },
        )
        assert 200 == preflight.status_code, preflight.text
        assert asked == preflight.headers["access-control-allow-headers"]
        answer = await served.http.post(
            "/v1/completions", json={"prompt": "a"}, headers={"origin": page}
        )
        assert page == answer.headers["access-control-allow-origin"]
        exposed = answer.headers["access-control-expose-headers"].split(", ")
        assert {"midfill-prompt", "retry-after", "x-request-id"} == set(exposed)


@pytest.mark.parametrize(
    ("aliases", "name", "status"),
    [
        ("", SHIPPED_MODEL, 200),
        ("", "", 200),
        ("", "gpt-4", 404),
        ("gpt-4 llama", "llama", 200),
        ("*", "whatever", 200),
    ],
)
async def test_models_go_by_name_or_alias(
    serve: Serve, aliases: str, name: str, status: int
) -> None:
    """An answer says which model it is from, whatever it was asked by."""
    async with serve(rest=RestConfig(aliases=aliases)) as served:
        body = {"prompt": "a", "model": name}
        answer = await served.http.post("/v1/completions", json=body)
        assert status == answer.status_code
        if status == 200:
            assert SHIPPED_MODEL == answer.json()["model"]
        else:
            assert SHIPPED_MODEL in answer.json()["error"]["message"]


async def test_metrics_and_the_page_of_routes(serve: Serve) -> None:
    """Both are there; the page's schema has every route, and no example of a key."""
    async with serve() as served:
        metrics = await served.http.get("/metrics")
        assert "midfill_requests_total" in metrics.text
        page = await served.http.get("/docs")
        schema = await served.http.get("/openapi.json")
        assert "/v1/completions" in page.text
        assert "The code right of the cursor." in page.text
        assert "http" not in page.text.replace("https://json", "")
        assert "suffix" in schema.text
        assert "midfill_" not in schema.text
        assert str(Path.home()) not in schema.text
