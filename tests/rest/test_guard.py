"""Who gets in, how much they may send, and what is kept of it."""

import asyncio
import contextlib
import json
import socket

import httpx
import pytest
from rest_server import MODEL, Serve

from lsp_server.access.keys import StoredKey, digest_of, new_key_id, new_secret
from lsp_server.config import Config, ScriptConfig
from lsp_server.metrics import Outcome, Refusal
from lsp_server.process_config import AdmissionConfig
from lsp_server.rest import guard
from lsp_server.rest.serve import bind

SECRET = "secret_source_text"


def key_of(**options: object) -> tuple[str, str]:
    """Return a new key, and the line of the key file that holds it."""
    secret = new_secret()
    stored = StoredKey(
        id=new_key_id(),
        name="test",
        sha256=digest_of(secret).hex(),
        **options,  # type: ignore[arg-type]  # each test names real fields
    )
    return secret, f"{stored.line}\n"


def bearer(key: str) -> dict[str, str]:
    """Return the header for a key."""
    return {"authorization": f"Bearer {key}"}


async def test_every_route_wants_a_key_but_health(serve: Serve) -> None:
    """Once there is a key, known and unknown routes are closed, whatever the method."""
    key, line = key_of()
    async with serve(keys=line) as served:
        schema = (await served.http.get("/openapi.json", headers=bearer(key))).json()
        routes = {path.replace("{name}", MODEL.name) for path in schema["paths"]}
        assert {"/v1/completions", "/infill", "/metrics", "/ready"} <= routes
        tricks = {
            "/docs",
            "/openapi.json",
            "/nope",
            "//health",
            "/health/",
            "/health/../v1/models",
            "/v1/models%2f..%2f..%2fhealth",
            "/HEALTH",
            "/health;/v1/models",
            "/invocations",
            "/tokenize",
        }
        for path in (routes | tricks) - {"/health"}:
            for method in ("GET", "POST", "OPTIONS", "HEAD"):
                answer = await served.http.request(method, path)
                assert 401 == answer.status_code, (method, path)
            assert (await served.http.get(path, headers=bearer("x"))).status_code == 401
        assert 200 == (await served.http.get("/health")).status_code
        assert (
            200
            == (await served.http.get("/v1/models", headers=bearer(key))).status_code
        )
        assert not served.engine.requests


async def test_an_address_that_others_reach_wants_a_key(serve: Serve) -> None:
    """Without any key there is nothing to get in with."""
    async with serve(is_local=False) as served:
        assert 401 == (await served.http.get("/v1/models")).status_code
        assert 200 == (await served.http.get("/health")).status_code


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"host": "localhost:1"}, 200),
        ({"host": "evil.example"}, 403),
        ({"host": "127.0.0.1.evil.example"}, 403),
        ({"host": "[::1"}, 403),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
    ],
)
async def test_foreign_pages_are_refused(
    serve: Serve, headers: dict[str, str], status: int
) -> None:
    """Faults 28 and 30: DNS rebinding and other sites' scripts get nowhere."""
    async with serve() as served:
        answer = await served.http.get("/v1/models", headers=headers)
        assert status == answer.status_code


@pytest.mark.parametrize(
    ("target", "host", "status"),
    [
        ("http://localhost/v1/models", "localhost", 200),
        ("HTTPS://127.0.0.1:1/v1/models?x=1", "evil.example", 200),
        ("http://evil.example/v1/models", "localhost", 403),
        ("http://localhost@evil.example/v1/models", "localhost", 403),
        ("http:///v1/models", "localhost", 403),
        ("http://localhost?x=1", "localhost", 404),
        ("ftp://localhost/v1/models", "localhost", 404),
    ],
)
async def test_a_target_may_be_a_whole_url(
    serve: Serve, target: str, host: str, status: int
) -> None:
    """Its host is checked, and counts in place of the header (RFC 9112, 3.2.2)."""
    async with serve() as served:
        answer = await served.http.get(
            "/", headers={"host": host}, extensions={"target": target.encode()}
        )
        assert status == answer.status_code, answer.text


async def test_a_key_s_limits_models_and_mode(serve: Serve) -> None:
    """A key has its own rate, models, raw mode and cache salt."""
    raw, raw_line = key_of(raw=True, requests_per_s=0.001, burst=2)
    other, other_line = key_of(models=("another",))
    async with serve(keys=raw_line + other_line) as served:
        body = {"prompt": "<|fim_middle|>a"}
        for _ in range(2):
            answer = await served.http.post(
                "/v1/completions",
                json=body,
                headers=bearer(raw) | {"x-session-id": "a.py"},
            )
            assert 200 == answer.status_code
        request = served.engine.requests[0]
        assert "a.py" == request.document
        assert 2 in request.token_ids
        assert request.cache_salt
        assert request.user.startswith("rest:k_")
        limited = await served.http.post(
            "/v1/completions", json=body, headers=bearer(raw)
        )
        assert (429, "rate_limit_exceeded") == (
            limited.status_code,
            limited.json()["error"]["code"],
        )
        assert int(limited.headers["retry-after"]) > 1
        # It is refused before its prompt is looked at.
        unread = await served.http.post(
            "/v1/completions", json={"prompt": [10**9]}, headers=bearer(raw)
        )
        assert 429 == unread.status_code
        denied = await served.http.post(
            "/v1/completions", json=body, headers=bearer(other)
        )
        assert 403 == denied.status_code
        listed = await served.http.get("/v1/models", headers=bearer(other))
        assert [] == listed.json()["data"]


async def test_overload_is_503_with_a_time_to_retry(serve: Serve) -> None:
    """Fault 22: what the queue does not hold is refused, and says when to return."""
    config = Config(admission=AdmissionConfig(running_limit=1, queue_length=1))
    async with serve(
        "a b c d e f g h\n", config=config, script=ScriptConfig(token_delay_ms=20)
    ) as served:
        answers = await asyncio.gather(  # noqa: TID251  all answers are wanted
            *(
                served.http.post(
                    "/v1/completions", json={"prompt": f"x{number}", "max_tokens": 64}
                )
                for number in range(8)
            )
        )
        busy = [each for each in answers if each.status_code != 200]
        assert 200 in {each.status_code for each in answers}
        assert {429, 503} >= {each.status_code for each in busy} > set()
        for each in busy:
            assert int(each.headers["retry-after"]) >= 1
            assert "again" in each.text or "wait" in each.text
        kinds = {kind for _, kind in served.metrics.refused}
        assert kinds <= {Refusal.OVERLOADED, Refusal.LATE, Refusal.QUOTA}


async def test_the_log_has_figures_and_no_text(serve: Serve) -> None:
    """One line for each request: who, what, how it ended, what it took."""
    key, line = key_of()
    async with serve(f"{SECRET} = 1\n", keys=line) as served:
        for path in ("/v1/completions", "/infill"):
            answer = await served.http.post(
                path,
                json={"prompt": SECRET, "suffix": SECRET, "max_tokens": 9},
                headers=bearer(key),
            )
            assert 200 == answer.status_code
        record = served.metrics.done[0]
        engine_ids = [each.request_id for each in served.engine.requests]
    lines = served.log.read_text(encoding="utf-8")
    first = json.loads(lines.splitlines()[0])
    assert SECRET not in lines
    assert key not in lines
    assert ("completions", 200) == (first["route"], first["status"])
    assert engine_ids[0].startswith(first["request_id"])
    assert first["prompt_tokens"] > 2
    assert {"prefill", "decode", "total"} <= first["stages_ms"].keys()
    assert (Outcome.COMPLETED, MODEL.name) == (record.outcome, record.model)


@pytest.mark.parametrize(
    ("sent", "is_taken"),
    [(["a-1.b:c_2"], True), ([], False), (["a b"], False), (["1", "2"], False)],
)
async def test_an_answer_has_one_id_that_the_log_knows(
    serve: Serve,
    sent: list[str],
    is_taken: bool,  # noqa: FBT001  a parameter of pytest's
) -> None:
    """The client's own, if it has sent one that is fit for a log, else Midfill's."""
    async with serve() as served:
        headers = [("x-request-id", each) for each in sent]
        await served.http.get("/v1/models", headers=headers)
        answer = await served.http.get("/v1/models", headers=headers)
    [shown] = answer.headers.get_list("x-request-id")
    lines = [json.loads(each) for each in served.log.read_text("utf-8").splitlines()]
    if is_taken:
        assert [*sent, *sent] == [each["client_id"] for each in lines]
        assert sent == [shown]
    else:
        assert not any("client_id" in each for each in lines)
        assert shown == lines[-1]["request_id"]
    assert 2 == len({each["request_id"] for each in lines})


async def test_a_slow_body_and_silence_are_ended(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that sends a byte now and then holds nothing up, and is answered."""
    monkeypatch.setattr(guard, "_BODY_DEADLINE_S", 0.2)
    async with serve() as served:
        url = httpx.URL(served.url)
        reader, writer = await asyncio.open_connection(url.host, url.port)
        writer.write(
            b"POST /infill HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\n{"
        )
        async with asyncio.timeout(60):
            answer = await reader.read()
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        assert answer.startswith(b"HTTP/1.1 408")
        assert b"request_timeout" in answer


async def test_a_large_body_is_refused_by_its_stated_length(serve: Serve) -> None:
    """Nothing of it is read."""
    async with serve() as served:
        url = httpx.URL(served.url)
        reader, writer = await asyncio.open_connection(url.host, url.port)
        head = "POST /infill HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n"
        writer.write(head.format(10**12).encode())
        async with asyncio.timeout(60):
            answer = await reader.read()
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        assert answer.startswith(b"HTTP/1.1 413")


async def test_answers_are_not_held_back() -> None:
    """Without this the second part of each answer waits 40 ms for the client."""
    with bind("127.0.0.1:0") as bound:
        assert socket.IPPROTO_TCP == bound.proto
