"""What cannot be honoured is refused with what to do, before anything is tokenised."""

import dataclasses

import pytest
from pydantic import TypeAdapter, ValidationError
from rest_server import Serve

from lsp_server.config import RestConfig
from lsp_server.metrics import Refusal, Route
from lsp_server.rest.bodies import ChatBody, CompletionBody, InfillBody

SECRET = "secret_source_text"
HUGE = 10**9
COMPLETIONS, CHAT, INFILL = "/v1/completions", "/v1/chat/completions", "/infill"


def code(**more: object) -> dict[str, object]:
    """Return the body of a completion."""
    return {"prompt": SECRET, **more}


def talk(**more: object) -> dict[str, object]:
    """Return the body of a chat."""
    return {"messages": [{"role": "user", "content": SECRET}], **more}


CASES: list[tuple[str, dict[str, object], str, str]] = [
    (COMPLETIONS, {}, "prompt", "invalid_value"),
    (COMPLETIONS, code(n=HUGE), "n", "invalid_value"),
    (COMPLETIONS, code(n=0), "n", "invalid_value"),
    (COMPLETIONS, code(max_tokens=HUGE), "max_tokens", "invalid_value"),
    (COMPLETIONS, code(max_tokens=5000), "max_tokens", "invalid_value"),
    (COMPLETIONS, code(max_tokens=-1), "max_tokens", "invalid_value"),
    (COMPLETIONS, code(temperature=3), "temperature", "invalid_value"),
    (COMPLETIONS, code(top_p=0), "top_p", "invalid_value"),
    (COMPLETIONS, code(seed=2**70), "seed", "invalid_value"),
    (COMPLETIONS, code(stop=["a"] * 17), "stop", "invalid_value"),
    (COMPLETIONS, code(stop=["a" * 257]), "stop", "invalid_value"),
    (COMPLETIONS, code(stop=[""]), "stop", "invalid_value"),
    (COMPLETIONS, {"prompt": [SECRET] * 17}, "prompt", "invalid_value"),
    (COMPLETIONS, {"prompt": []}, "prompt", "invalid_value"),
    (COMPLETIONS, {"prompt": {"a": SECRET}}, "prompt", "invalid_value"),
    (COMPLETIONS, {"prompt": [SECRET] * 16, "n": 16}, "n", "invalid_value"),
    (COMPLETIONS, code(logprobs=5), "logprobs", "unsupported_parameter"),
    (COMPLETIONS, code(logprobs=0), "logprobs", "unsupported_parameter"),
    (COMPLETIONS, {"prompt": [9, SECRET]}, "prompt", "invalid_value"),
    (COMPLETIONS, {"prompt": [9] * 262_145}, "prompt", "invalid_value"),
    (COMPLETIONS, code(best_of=3), "best_of", "unsupported_parameter"),
    (COMPLETIONS, code(logit_bias={"1": 5}), "logit_bias", "unsupported_parameter"),
    (
        COMPLETIONS,
        code(presence_penalty=1),
        "presence_penalty",
        "unsupported_parameter",
    ),
    (COMPLETIONS, code(prompt_embeds="gASV"), "prompt_embeds", "unsupported_parameter"),
    (COMPLETIONS, code(guided_regex="(a+)+"), "guided_regex", "unsupported_parameter"),
    (
        COMPLETIONS,
        code(response_format={"type": "json_object"}),
        "response_format",
        "unsupported_parameter",
    ),
    (COMPLETIONS, code(raw=True, suffix=SECRET), "suffix", "invalid_value"),
    (f"{COMPLETIONS}?raw=yes", code(), "raw", "invalid_value"),
    (COMPLETIONS, {"prompt": [9], "suffix": SECRET}, "suffix", "invalid_value"),
    (COMPLETIONS, {"prompt": [HUGE]}, "prompt", "invalid_prompt"),
    (COMPLETIONS, {"prompt": SECRET * 9000}, "prompt", "context_length_exceeded"),
    (COMPLETIONS, code(model="gpt-4"), "model", "model_not_found"),
    (CHAT, talk(), "model", "model_not_supported"),
    (CHAT, {"messages": []}, "messages", "invalid_value"),
    (
        CHAT,
        {"messages": [{"role": "tool", "content": SECRET}]},
        "messages",
        "invalid_value",
    ),
    (CHAT, talk(chat_template="{{ 1 }}"), "chat_template", "unsupported_parameter"),
    (CHAT, talk(tools=[{"type": "function"}]), "tools", "unsupported_parameter"),
    (CHAT, talk(top_logprobs=3), "top_logprobs", "unsupported_parameter"),
    (INFILL, {"prompt": [1, SECRET]}, "prompt", "invalid_value"),
    (INFILL, {"n_predict": HUGE}, "n_predict", "invalid_value"),
    (INFILL, {"n_predict": 5000}, "n_predict", "invalid_value"),
    (INFILL, {"model": "gpt-4"}, "model", "model_not_found"),
    (INFILL, {"grammar": 'root ::= "a"'}, "grammar", "unsupported_parameter"),
    (INFILL, {"input_extra": [{"text": SECRET}] * 257}, "input_extra", "invalid_value"),
]


async def test_each_refusal_says_what_and_what_to_do(serve: Serve) -> None:
    """Faults 24 and 25: a clear 400 each, nothing scheduled, no text given back."""
    async with serve() as served:
        for route, body, parameter, name in CASES:
            answer = await served.http.post(route, json=body)
            error = answer.json()["error"]
            expected = 404 if name == "model_not_found" else 400
            assert expected == answer.status_code, (route, parameter, answer.text)
            assert (parameter, name) == (error["param"], error["code"]), answer.text
            assert "invalid_request_error" == error["type"]
            assert len(error["message"].split(". ")) > 1, error["message"]
            assert SECRET not in answer.text
        assert not served.engine.requests
        assert SECRET not in served.log.read_text(encoding="utf-8")
        assert len(CASES) == len(served.metrics.refused)


async def test_one_message_says_how_many_tokens_there_may_be(serve: Serve) -> None:
    """However many are asked for: the server's limit, and what the model takes."""
    async with serve(rest=RestConfig(max_tokens=1024)) as served:
        for route, name in ((COMPLETIONS, "max_tokens"), (INFILL, "n_predict")):
            for asked in (1025, HUGE, 10**30):
                answer = await served.http.post(route, json=code(**{name: asked}))
                message = answer.json()["error"]["message"]
                assert "Ask for at most 1,024" in message
                assert "takes 2,048, prompt and answer together" in message


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"{", 400),
        (b'{"prompt": "\\ud800"', 400),
        (b"\xff\xfe", 400),
        (b"[" * 100_000, 400),
        (b'{"prompt": 1e999999}', 400),
        (b'{"prompt": NaN}', 400),
        (b'"text"', 400),
        (b"", 400),
        (b'{"prompt": "a", "x": [' + b"[]," * 20_000 + b"[]]}", 400),
        (b'{"prompt": "' + b"x" * 5000 + b'"}', 413),
    ],
)
async def test_a_broken_body_costs_itself_alone(
    serve: Serve, content: bytes, status: int
) -> None:
    """What is no JSON, or too much of it, is answered in OpenAI's shape."""
    async with serve(
        rest=RestConfig(max_body_bytes=4096 + 100_000 * (status == 400))
    ) as s:
        headers = {"content-type": "application/json"}
        answer = await s.http.post(COMPLETIONS, content=content, headers=headers)
        assert status == answer.status_code
        assert answer.json()["error"]["message"]
        later = await s.http.post(COMPLETIONS, json={"prompt": "a"})
        assert 200 == later.status_code


@pytest.mark.parametrize(
    ("kind", "field", "item"),
    [
        (CompletionBody, "prompt", []),
        (CompletionBody, "prompt", [{}]),
        (CompletionBody, "prompt", {}),
        (CompletionBody, "stop", {}),
        (ChatBody, "messages", {}),
        (ChatBody, "messages", {"role": "user", "content": [{}] * 10}),
        (InfillBody, "input_extra", {}),
        (InfillBody, "response_fields", {}),
    ],
)
def test_the_first_bad_item_of_a_list_is_enough(
    kind: type, field: str, item: object
) -> None:
    """To describe all of a million would hold every other client up."""
    with pytest.raises(ValidationError) as refused:
        TypeAdapter(kind).validate_python({"prompt": "a", field: [item] * 16})
    assert refused.value.error_count() < 5


@pytest.mark.parametrize(
    ("content_type", "content", "status", "message"),
    [
        ("text/plain", b'{"prompt": "a"}', 415, "`content-type: application/json`"),
        ("application/x-www-form-urlencoded", b"prompt=a", 415, "content-type"),
        ("application/problem+json; charset=utf-8", b'{"prompt": "a"}', 200, ""),
        ("application/json", b'"text"', 400, "not a JSON object"),
        ("application/json", b"", 400, "not a JSON object"),
        ("", b'{"prompt": "a"}', 200, ""),
    ],
)
async def test_a_body_that_is_not_sent_as_json(
    serve: Serve, content_type: str, content: bytes, status: int, message: str
) -> None:
    """The answer names the header where that is wrong, and no class of ours ever."""
    headers = {"content-type": content_type} if content_type else {}
    async with serve() as s:
        answer = await s.http.post(COMPLETIONS, content=content, headers=headers)
        assert status == answer.status_code, answer.text
        assert message in answer.text
        assert "CompletionBody" not in answer.text


async def test_lone_surrogates_are_replaced(serve: Serve) -> None:
    """JSON can spell half of a character, which no tokenizer takes."""
    async with serve() as served:
        body = b'{"prompt": "a = \\ud800", "suffix": "\\udfff", "echo": true}'
        headers = {"content-type": "application/json"}
        answer = await served.http.post(COMPLETIONS, content=body, headers=headers)
        assert 200 == answer.status_code, answer.text
        assert "\ufffd" in served.prompt()


@pytest.mark.parametrize(
    ("route", "body", "kind"),
    [
        (COMPLETIONS, code(), CompletionBody),
        (CHAT, talk(), ChatBody),
        (INFILL, {"prompt": SECRET}, InfillBody),
    ],
)
async def test_null_is_as_good_as_nothing(
    serve: Serve, route: str, body: dict[str, object], kind: type
) -> None:
    """Clients write what they leave out as null, for every parameter."""
    nothing = {
        field.name: None
        for field in dataclasses.fields(kind)
        if field.default is None and field.name not in body
    }
    async with serve() as served:
        answer = await served.http.post(route, json={**body, **nothing})
        unsupported = "model_not_supported" in answer.text
        assert (400 if route == CHAT else 200) == answer.status_code, answer.text
        assert (route == CHAT) == unsupported


async def test_random_paths_methods_and_models_make_no_labels(serve: Serve) -> None:
    """Fault 39: metrics and the access log have names of a fixed set alone."""
    async with serve() as served:
        for number in range(20):
            await served.http.get(f"/random-{number}")
            await served.http.request(f"M{number}", COMPLETIONS)
            await served.http.post(COMPLETIONS, json=code(model=f"random-{number}"))
        routes = {route for route, _ in served.metrics.refused}
        kinds = {kind for _, kind in served.metrics.refused}
        assert {Route.OTHER, Route.COMPLETIONS} == routes
        assert {Refusal.NOT_FOUND, Refusal.INVALID} == kinds
        assert "random" not in served.log.read_text(encoding="utf-8")
