"""``/v1/completions`` through the official client and a real HTTP server."""

from collections.abc import Mapping

import openai
import pytest
from own_models import OwnModel
from rest_server import Serve

from lsp_server.config import SHIPPED_MODEL, AdmissionConfig, Config, ScriptConfig
from lsp_server.values import Priority

FIM = "<|fim_prefix|><|fim_suffix|>\nrest<|fim_middle|>head"
TEXT = "total = 1\nother = 2\n"


async def test_a_suffix_makes_a_fim_prompt(serve: Serve, own_model: OwnModel) -> None:
    """The same prompt is filled with a suffix, and continued without."""
    async with serve(TEXT, config=Config(model=own_model.setting)) as served:
        client = served.openai()
        filled = await client.completions.create(
            model=SHIPPED_MODEL, prompt="x = 1\nhead\n", suffix="\nrest", max_tokens=64
        )
        continued = await client.completions.create(
            model=SHIPPED_MODEL, prompt="x = 1\nhead\n", max_tokens=64
        )
        prompts = [served.prompt(number) for number in (0, 1)]
    assert TEXT == filled.choices[0].text == continued.choices[0].text
    assert own_model.fill("x = 1\nhead\n", "\nrest") == prompts[0]
    assert "<|endoftext|>x = 1\nhead\n" == prompts[1]
    assert filled.usage is not None
    assert filled.usage.total_tokens == (
        filled.usage.prompt_tokens + filled.usage.completion_tokens
    )
    assert "stop" == filled.choices[0].finish_reason


async def test_stop_strings_and_usage(serve: Serve) -> None:
    """A stream has the text of the whole answer, and usage where it is asked for."""
    stop = ["nothing", "\nother"]
    async with serve(TEXT) as served:
        create = served.openai().completions.create
        whole = await create(
            model=SHIPPED_MODEL, prompt="a\n", max_tokens=64, stop=stop
        )
        stream = await create(
            model=SHIPPED_MODEL,
            prompt="a\n",
            max_tokens=64,
            stop=stop,
            stream=True,
            stream_options={"include_usage": True},
        )
        *parts, last = [part async for part in stream]
        aborted = served.engine.aborted
    assert "total = 1" == whole.choices[0].text
    assert "total = 1" == "".join(part.choices[0].text for part in parts)
    reasons = [part.choices[0].finish_reason for part in parts]
    assert [None] * (len(reasons) - 1) + ["stop"] == reasons
    assert all(part.usage is None for part in parts)
    for usage in (whole.usage, last.usage):
        assert usage is not None
        assert 0 < usage.completion_tokens < 12
    assert 2 == len(aborted)


async def test_a_length_limit_is_the_finish_reason(serve: Serve) -> None:
    """Without a limit of the client's, OpenAI's sixteen tokens hold."""
    async with serve(TEXT * 10) as served:
        client = served.openai()
        short = await client.completions.create(
            model=SHIPPED_MODEL, prompt="a", max_tokens=2
        )
        default = await client.completions.create(model=SHIPPED_MODEL, prompt="a")
    assert (
        "length" == short.choices[0].finish_reason == default.choices[0].finish_reason
    )
    assert short.usage is not None
    assert default.usage is not None
    assert (2, 16) == (short.usage.completion_tokens, default.usage.completion_tokens)


@pytest.mark.parametrize("more", [{}, {"suffix": "b"}, {"n": 2}, {"raw": True}])
async def test_no_tokens_are_an_answer_without_the_engine(
    serve: Serve, more: dict[str, object]
) -> None:
    """``max_tokens`` 0 is the echo alone, whole and streamed, as OpenAI has it."""
    body = {"prompt": "a\n", "max_tokens": 0, "echo": True, **more}
    async with serve(TEXT) as served:
        whole = (await served.http.post("/v1/completions", json=body)).json()
        stream = await served.openai().completions.create(
            model=SHIPPED_MODEL, stream=True, extra_body=body, prompt="a\n"
        )
        parts = [part.choices[0] async for part in stream]
        assert not served.engine.requests
    choices = whole["choices"]
    assert {"a\n"} == {choice["text"] for choice in choices}
    assert {"length"} == {choice["finish_reason"] for choice in choices}
    assert "a\n" * len(choices) == "".join(part.text for part in parts)
    assert len(choices) == sum(part.finish_reason == "length" for part in parts)
    assert 0 == whole["usage"]["completion_tokens"] < whole["usage"]["prompt_tokens"]


async def test_a_prompt_of_null_is_the_start_of_a_document(
    serve: Serve, own_model: OwnModel
) -> None:
    """OpenAI's default prompt; with a suffix, nothing is left of the gap."""
    async with serve(TEXT, config=Config(model=own_model.setting)) as served:
        for more in ({}, {"suffix": "rest"}):
            body = {"prompt": None, "max_tokens": 64, **more}
            answer = await served.http.post("/v1/completions", json=body)
            assert TEXT == answer.json()["choices"][0]["text"], answer.text
        assert "<|endoftext|>" == served.prompt(0)
        assert own_model.fill("", "rest") == served.prompt(1)


@pytest.mark.parametrize(
    ("body", "query", "headers", "is_raw"),
    [
        ({}, "", {}, False),
        ({"raw": True}, "", {}, True),
        ({}, "?raw=true", {}, True),
        ({}, "", {"midfill-raw": "1"}, True),
        ({"raw": False}, "?raw=true", {}, False),
    ],
)
async def test_control_tokens_count_in_raw_mode_alone(
    serve: Serve,
    body: Mapping[str, object],
    query: str,
    headers: Mapping[str, str],
    is_raw: bool,  # noqa: FBT001  pytest's
) -> None:
    """A rendered prompt is one where the request says so, and else it is plain text."""
    async with serve(TEXT) as served:
        answer = await served.http.post(
            f"/v1/completions{query}", json={"prompt": FIM, **body}, headers=headers
        )
        assert 200 == answer.status_code
        ids = served.engine.requests[0].token_ids
        assert is_raw == {1, 2, 3}.issubset(ids)
        assert f"<|endoftext|>{FIM}".startswith(served.prompt())


async def test_a_suffix_is_text_whatever_it_spells(serve: Serve) -> None:
    """Fault 36: sentinels in code on either side do not steer the model."""
    async with serve(TEXT) as served:
        for prompt, suffix in (("a<|fim_middle|>\n", "b"), ("a\n", "<|fim_prefix|>b")):
            await served.openai().completions.create(
                model=SHIPPED_MODEL, prompt=prompt, suffix=suffix
            )
        for request in served.engine.requests:
            assert 4 == sum(each in range(7) for each in request.token_ids)


async def test_several_texts_for_several_prompts(serve: Serve) -> None:
    """Choices come in the order of the prompts; a seed draws the same ones again."""
    script = ScriptConfig(candidates="second\n")
    async with serve(TEXT, script=script) as served:
        client = served.openai()
        answer = await client.completions.create(
            model=SHIPPED_MODEL,
            prompt=["a\n", "b\n"],
            n=2,
            seed=0,
            max_tokens=64,
            echo=True,
        )
        again = await client.completions.create(
            model=SHIPPED_MODEL, prompt="a\n", seed=0, max_tokens=64, temperature=0.5
        )
        requests = served.engine.requests
    assert [0, 1, 2, 3] == [choice.index for choice in answer.choices]
    texts = [choice.text for choice in answer.choices]
    assert ["a\nsecond\n", f"a\n{TEXT}", "b\nsecond\n", f"b\n{TEXT}"] == texts
    assert "second\n" == again.choices[0].text
    assert [1, 2, 1, 2, 1] == [request.candidate for request in requests]
    assert len({request.request_id for request in requests}) == len(requests)
    assert all(request.priority is Priority.AUTOMATIC for request in requests)


async def test_tokens_are_a_prompt(serve: Serve) -> None:
    """Token ids are taken as OpenAI's clients send them, control tokens if raw."""
    async with serve(TEXT) as served:
        client = served.openai()
        await client.completions.create(model=SHIPPED_MODEL, prompt=[100, 101])
        await client.completions.create(
            model=SHIPPED_MODEL, prompt=[[1, 100], [2]], extra_body={"raw": True}
        )
        with pytest.raises(openai.BadRequestError, match="control tokens"):
            await client.completions.create(model=SHIPPED_MODEL, prompt=[1, 100])
        read = [request.token_ids for request in served.engine.requests]
    assert [(0, 100, 101), (0, 1, 100), (0, 2)] == read


async def test_a_stop_string_that_names_a_control_token(serve: Serve) -> None:
    """Zed's stop list holds control tokens, which never come as text."""
    async with serve(TEXT) as served:
        await served.openai().completions.create(
            model=SHIPPED_MODEL, prompt="a", stop=["<|fim_pad|>", "<|endoftext|>", "b"]
        )
        assert {0, 4} == set(served.engine.requests[0].stop_token_ids)


async def test_cut_code_is_reported(serve: Serve) -> None:
    """A fill takes what fits, and a header says whether that was all."""
    async with serve(TEXT) as served:
        reports = [
            (
                await served.http.post(
                    "/v1/completions", json={"prompt": "x = 1\n" * lines, "suffix": "y"}
                )
            ).headers["midfill-prompt"]
            for lines in (2, 2000)
        ]
    assert ["whole", "cut"] == reports


async def test_a_dead_engine_is_an_error_in_whole_and_stream(serve: Serve) -> None:
    """What fails before a text is a status; later it is an event of the stream."""
    script = ScriptConfig(die_after_requests=1)
    async with serve(TEXT, script=script) as served:
        with pytest.raises(openai.APIStatusError) as whole:
            await served.openai().completions.create(model=SHIPPED_MODEL, prompt="a")
        assert 503 == whole.value.status_code
    async with serve(TEXT, script=script) as served:
        stream = await served.openai().completions.create(
            model=SHIPPED_MODEL, prompt="a", stream=True, max_tokens=64
        )
        with pytest.raises(openai.APIError, match="engine"):
            _ = [part async for part in stream]


@pytest.mark.parametrize(
    "body",
    [
        {"prompt": "a\n"},
        {"prompt": "a\n", "suffix": "\nb"},
        {"prompt": "a\n", "raw": True},
        {"prompt": [64, 65]},
    ],
)
async def test_secrets_are_not_sent(serve: Serve, body: dict[str, object]) -> None:
    """In whichever way the prompt was made, and whether it is streamed or not."""
    key = "AKIA" + "Q7X3" * 4
    async with serve(f"a = 1\nkey = '{key}'\n") as served:
        body |= {"max_tokens": 64}
        whole = (await served.http.post("/v1/completions", json=body)).json()
        stream = await served.http.post(
            "/v1/completions", json={**body, "stream": True}
        )
        assert key not in stream.text
        body["prompt"] = f"a\nkey = '{key}'\n"
        known = (await served.http.post("/v1/completions", json=body)).json()
    assert "a = 1\nkey = '" == whole["choices"][0]["text"]
    assert "content_filter" == whole["choices"][0]["finish_reason"]
    assert '"finish_reason": "content_filter"' in stream.text
    assert key in known["choices"][0]["text"]


async def test_as_many_texts_as_are_allowed_come_from_an_idle_engine(
    serve: Serve,
) -> None:
    """However few it computes side by side: they do not wait for each other."""
    config = Config(admission=AdmissionConfig(running_limit=2, queue_length=1))
    async with serve(TEXT, config=config) as served:
        answer = await served.openai().completions.create(
            model=SHIPPED_MODEL, prompt=["a", "b"], n=16, max_tokens=64
        )
    assert [TEXT] * 32 == [choice.text for choice in answer.choices]
