"""What is wrong with a request is said in words for who wrote the client."""

import json

import pytest
from rest_server import Serve, Served

COMPLETIONS, CHAT, INFILL = "/v1/completions", "/v1/chat/completions", "/infill"
SECRET = "secret_source_text"
PYDANTICS = ("Input", "valid", "validation", "instance", "dictionary", "parse", "Field")

ANY_PROMPT = (
    "prompt: it is not a text, a list of at most 16 texts, a list of tokens, or"
)

CASES: list[tuple[str, dict[str, object], str]] = [
    (COMPLETIONS, {}, "prompt: it is needed, and not there"),
    (COMPLETIONS, {"prompt": 5}, ANY_PROMPT),
    (COMPLETIONS, {"prompt": {"a": SECRET}}, ANY_PROMPT),
    (COMPLETIONS, {"prompt": [SECRET, 1]}, ANY_PROMPT),
    (COMPLETIONS, {"prompt": [1, SECRET]}, ANY_PROMPT),
    (COMPLETIONS, {"prompt": [[1], SECRET]}, ANY_PROMPT),
    (COMPLETIONS, {"prompt": [[1], [1.5]]}, ANY_PROMPT),
    (COMPLETIONS, {"prompt": [-1]}, "prompt[0]: it has to be 0 or more"),
    (COMPLETIONS, {"prompt": [[]]}, "prompt[0]: it is empty"),
    (COMPLETIONS, {"prompt": [SECRET] * 17}, "prompt: it has more than 16 items"),
    (COMPLETIONS, {"n": 17}, "n: it has to be 16 or less"),
    (COMPLETIONS, {"n": 0}, "n: it has to be 1 or more"),
    (COMPLETIONS, {"n": SECRET}, "n: it is not a whole number"),
    (COMPLETIONS, {"n": 1.5}, "n: it is not a whole number"),
    (COMPLETIONS, {"n": [1]}, "n: it is not a whole number"),
    (COMPLETIONS, {"n": True}, "n: it is not a whole number"),
    (COMPLETIONS, {"max_tokens": "2"}, "max_tokens: it is not a whole number"),
    (COMPLETIONS, {"seed": "1"}, "seed: it is not a whole number"),
    (COMPLETIONS, {"max_tokens": -1}, "max_tokens: it has to be 0 or more"),
    (COMPLETIONS, {"temperature": 2.5}, "temperature: it has to be 2 or less"),
    (COMPLETIONS, {"temperature": SECRET}, "temperature: it is not a number"),
    (COMPLETIONS, {"temperature": True}, "temperature: it is not a number"),
    (COMPLETIONS, {"top_p": "1"}, "top_p: it is not a number"),
    (COMPLETIONS, {"top_p": 0}, "top_p: it has to be more than 0"),
    (COMPLETIONS, {"stop": 5}, "stop: it is neither a text nor a list of at most 16"),
    (COMPLETIONS, {"stop": [1]}, "stop[0]: it is not a text"),
    (COMPLETIONS, {"stop": [""]}, "stop[0]: it is empty"),
    (COMPLETIONS, {"stop": ["a" * 257]}, "stop[0]: it has more than 256 characters"),
    (COMPLETIONS, {"stop": ["a"] * 17}, "stop: it has more than 16 items"),
    (COMPLETIONS, {"stream": SECRET}, "stream: it is neither true nor false"),
    (COMPLETIONS, {"stream": "no"}, "stream: it is neither true nor false"),
    (COMPLETIONS, {"echo": 1}, "echo: it is neither true nor false"),
    (COMPLETIONS, {"raw": "yes"}, "raw: it is neither true nor false"),
    (COMPLETIONS, {"stream_options": 1}, "stream_options: it is not a JSON object"),
    (
        COMPLETIONS,
        {"stream_options": {"include_usage": "true"}},
        "stream_options.include_usage: it is neither true nor false",
    ),
    (COMPLETIONS, {"model": 5}, "model: it is not a text"),
    (COMPLETIONS, {"model": "m" * 257}, "model: it has more than 256 characters"),
    (COMPLETIONS, {"suffix": [SECRET]}, "suffix: it is not a text"),
    (COMPLETIONS, {"logprobs": 5}, "logprobs: this server does not do it; leave it"),
    (CHAT, {}, "messages: it is needed, and not there"),
    (CHAT, {"messages": []}, "messages: it is empty"),
    (CHAT, {"messages": SECRET}, "messages: it is not a list"),
    (CHAT, {"messages": [SECRET]}, "messages[0]: it is not a JSON object"),
    (
        CHAT,
        {"messages": [{"role": "tool", "content": SECRET}]},
        "messages[0].role: it has to be 'system', 'developer', 'user' or 'assistant'",
    ),
    (CHAT, {"messages": [{"role": "user"}]}, "messages[0].content: it is needed"),
    (
        CHAT,
        {"messages": [{"role": "user", "content": 5}]},
        "messages[0].content: it is neither a text nor a list of at most 32 parts",
    ),
    (
        CHAT,
        {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
        "messages[0].content[0].type: it has to be 'text'",
    ),
    (INFILL, {"prompt": [1]}, "prompt: it is not a text"),
    (INFILL, {"n_predict": -3}, "n_predict: it has to be -2 or more"),
    (INFILL, {"n_predict": "7"}, "n_predict: it is not a whole number"),
    (INFILL, {"stream": "false"}, "stream: it is neither true nor false"),
    (INFILL, {"temperature": "0"}, "temperature: it is not a number"),
    (INFILL, {"input_extra": [{}]}, "input_extra[0].text: it is needed"),
    (INFILL, {"input_extra": [{"text": 5}]}, "input_extra[0].text: it is not a text"),
    (INFILL, {"response_fields": SECRET}, "response_fields: it is not a list"),
]


async def message_of(
    served: Served, method: str, route: str, content: bytes, status: int
) -> str:
    """Send a request that is refused, and return the error's message."""
    headers = {"content-type": "application/json"}
    answer = await served.http.request(method, route, content=content, headers=headers)
    assert status == answer.status_code, answer.text
    message = answer.json()["error"]["message"]
    assert SECRET not in message
    assert not [word for word in PYDANTICS if word in message.split()], message
    return str(message)


async def test_a_parameter_that_is_not_taken(serve: Serve) -> None:
    """Which one, what is wrong with it, and what is allowed."""
    async with serve() as served:
        for route, wrong, expected in CASES:
            whole = {} if route != COMPLETIONS or not wrong else {"prompt": "x"}
            content = json.dumps(whole | wrong).encode()
            message = await message_of(served, "POST", route, content, 400)
            assert message.startswith(expected), (wrong, message)
            assert message.endswith("The page /docs lists what each route takes.")


async def test_a_whole_number_may_have_a_point(serve: Serve) -> None:
    """2.0 is 2, as to JSON Schema: some languages have no other numbers."""
    async with serve() as served:
        body = {"prompt": "x", "max_tokens": 2.0, "n": 1.0, "temperature": 0}
        answer = await served.http.post(COMPLETIONS, json=body)
        assert 200 == answer.status_code, answer.text
        assert 2 == answer.json()["usage"]["completion_tokens"]


@pytest.mark.parametrize(
    ("line", "content", "status", "expected"),
    [
        (
            "POST /v1/completions",
            b"{",
            400,
            "its body is not JSON, from character 2 on",
        ),
        ("POST /v1/completions", b'{"a":}', 400, "not JSON, from character 6 on"),
        ("POST /v1/completions", b"", 400, "its body is not a JSON object"),
        ("POST /v1/completions", b"[1]", 400, "its body is not a JSON object"),
        ("POST /v1/completions", b"\xff", 400, "its body is not JSON in UTF-8"),
        ("POST /infill", b"[" * 9000, 400, "its body is nested too deeply"),
        ("POST /infill", b'{"seed": %s}' % (b"9" * 5000), 400, "too many digits"),
        ("GET /v1/completions", b"", 405, "this route takes no method but POST"),
        ("POST /v1/models", b"", 405, "this route takes no method but GET"),
        ("POST /v1/embeddings", b"{}", 404, "there is no such route"),
        # vLLM's own server has these, some of them without a key.
        ("POST /tokenize", b"{}", 404, "there is no such route"),
        ("POST /invocations", b"{}", 404, "there is no such route"),
        ("POST /pause", b"{}", 404, "there is no such route"),
        ("POST /update_weights", b"{}", 404, "there is no such route"),
    ],
)
async def test_a_request_that_is_not_taken(
    serve: Serve, line: str, content: bytes, status: int, expected: str
) -> None:
    """Where there is no parameter to name."""
    method, route = line.split()
    async with serve() as served:
        message = await message_of(served, method, route, content, status)
    assert message.startswith("the request: ")
    assert expected in message
