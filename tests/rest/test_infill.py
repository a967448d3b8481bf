"""llama.cpp's ``/infill``: its fields, its limits, its stream."""

import json
from collections.abc import Sequence

import pytest
from own_models import OwnModel
from rest_server import Serve

from lsp_server.config import Config, ScriptConfig
from lsp_server.metrics import Outcome
from lsp_server.service.privacy import Privacy
from lsp_server.values import Priority, Snippet

TEXT = "a = 1\n    b = 2\nc = 3\n"


@pytest.mark.parametrize(
    ("options", "content", "stop_type", "word"),
    [
        ({}, TEXT, "eos", ""),
        (
            {"input_prefix": None, "input_suffix": None, "prompt": None},
            TEXT,
            "eos",
            "",
        ),
        ({"n_predict": -1}, TEXT, "eos", ""),
        ({"n_predict": 3}, "a = ", "limit", ""),
        ({"n_indent": 4}, "a = 1\n    b = 2\n", "limit", ""),
        ({"stop": ["b ="]}, "a = 1\n    ", "word", "b ="),
    ],
)
async def test_the_text_ends_as_in_llama_cpp(
    serve: Serve, options: dict[str, object], content: str, stop_type: str, word: str
) -> None:
    """Each way of ending has llama.cpp's name."""
    async with serve(TEXT) as served:
        whole = (await served.http.post("/infill", json=options)).json()
        stream = await served.http.post("/infill", json={**options, "stream": True})
        events = [json.loads(line[6:]) for line in stream.text.split("\n\n") if line]
    assert (content, stop_type, word) == (
        whole["content"],
        whole["stop_type"],
        whole["stopping_word"],
    )
    assert content == "".join(each["content"] for each in events)
    assert [False] * (len(events) - 1) + [True] == [each["stop"] for each in events]
    assert stop_type == events[-1]["stop_type"]
    assert events[-1]["timings"]["predicted_n"] == events[-1]["tokens_predicted"] > 0


async def test_what_is_not_seen_is_not_sent(serve: Serve) -> None:
    """The answer ends before it, as at a limit; llama.cpp has no other word for it."""
    async with serve("if admin:\u202e # x\n") as served:
        answer = (await served.http.post("/infill", json={})).json()
    assert ("if admin:", "limit") == (answer["content"], answer["stop_type"])


async def test_time_ends_the_text_behind_a_line(serve: Serve) -> None:
    """``t_max_predict_ms`` counts from the first token, once a line is complete."""
    script = ScriptConfig(token_delay_ms=5)
    async with serve(TEXT, script=script) as served:
        body = {"t_max_predict_ms": 1}
        answer = (await served.http.post("/infill", json=body)).json()
    assert answer["content"].startswith("a = 1\n")
    assert answer["content"] != TEXT
    assert "limit" == answer["stop_type"]


async def test_prefix_prompt_and_suffix_are_one_gap(
    serve: Serve, own_model: OwnModel
) -> None:
    """``prompt`` stands between the prefix and the gap."""
    async with serve(TEXT, config=Config(model=own_model.setting)) as served:
        body = {"input_prefix": "x = 1\n", "prompt": "y = 2\n", "input_suffix": "\nz"}
        await served.http.post("/infill", json=body)
        assert own_model.fill("x = 1\ny = 2\n", "\nz") == served.prompt()


async def test_a_warm_up_is_the_least_urgent(serve: Serve) -> None:
    """``n_predict`` 0 reads the prompt and predicts nothing; it is served, not lost."""
    async with serve(TEXT) as served:
        for more in ({}, {"stream": True}):
            answer = await served.http.post("/infill", json={"n_predict": 0, **more})
            said = json.loads(answer.text.removeprefix("data: "))
            assert ("", "limit") == (said["content"], said["stop_type"])
            assert 0 == said["tokens_predicted"] == said["timings"]["predicted_n"]
            assert 0 == said["generation_settings"]["n_predict"]
            assert said["tokens_evaluated"] == said["tokens_cached"] > 0
        for request in served.engine.requests:
            assert (Priority.PREWARM, 1) == (request.priority, request.max_tokens)
        assert not served.engine.aborted
        assert [Outcome.COMPLETED] * 2 == [each.outcome for each in served.metrics.done]
    lines = served.log.read_text(encoding="utf-8").splitlines()
    assert [200, 200] == [json.loads(line)["status"] for line in lines]


@pytest.mark.parametrize("own_model", ["midfill-marked-cursor"], indirect=True)
async def test_pieces_of_other_files_are_cleaned(
    serve: Serve, own_model: OwnModel
) -> None:
    """Secrets in them are redacted, and private files left out by their names."""
    key = "AKIA" + "Q7Z2" * 4
    extra = [
        {"filename": "config.py", "text": f'KEY = "{key}"\n'},
        {"filename": "deploy/.env", "text": "NAME=1\n"},
    ]
    async with serve(TEXT, config=Config(model=own_model.setting)) as served:
        await served.http.post("/infill", json={"input_extra": extra})
        prompt = served.prompt()
    assert '<|file_sep|>config.py\nKEY = "<AWS_ACCESS_KEY>"\n<|file_sep|>' in prompt
    assert ".env" not in prompt
    assert "NAME=1" not in prompt


async def test_other_files_that_cannot_fit_are_not_looked_through(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last ones are the most relevant; megabytes more would take others' time."""
    looked: list[Snippet] = []

    async def watched(_: Privacy, snippets: Sequence[Snippet]) -> tuple[Snippet, ...]:
        looked.extend(snippets)
        return ()

    monkeypatch.setattr(Privacy, "cleaned", watched)
    texts = ["old\n" * 500, "x" * 1_000_000, "b\n", "", "c\n" * 1000]
    extra = [{"filename": f"{n}.py", "text": text} for n, text in enumerate(texts)]
    async with serve(TEXT) as served:
        await served.http.post("/infill", json={"input_extra": extra})
    assert ["0.py", "2.py", "4.py"] == [each.path for each in looked]
    assert [0, 2, 4] == [each.score for each in looked]
