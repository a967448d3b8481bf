"""The requests of known clients are answered with what those clients read."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from own_models import OwnModel
from rest_server import Serve

from lsp_server.config import SHIPPED_MODEL, Config

SHAPES = {
    path.stem: json.loads(
        path.read_text(encoding="utf-8").replace('"MODEL"', json.dumps(SHIPPED_MODEL))
    )
    for path in sorted((Path(__file__).parent / "shapes").glob("*.json"))
}
"""Their requests; ``MODEL`` stands for the name that the client was set up with."""


def read(answer: object, path: str) -> object:
    """Return the part of an answer that a path names, or the field of that name."""
    if isinstance(answer, Mapping) and path in answer:
        return answer[path]
    first, _, rest = path.partition("/")
    match answer:
        case Mapping():
            inner = answer[first]
        case Sequence():
            inner = answer[int(first)]
        case _:
            pytest.fail(f"there is no {path}")
    return read(inner, rest) if rest else inner


def events_of(stream: str) -> list[object]:
    """Return the events of a stream, but for OpenAI's last one."""
    lines = [line.removeprefix("data: ") for line in stream.split("\n\n") if line]
    return [json.loads(line) for line in lines if line != "[DONE]"]


def sentinels(prompt: str) -> list[str]:
    """Return the control tokens of a prompt but for those of other files."""
    found: list[str] = re.findall(r"<\|\w+\|>", prompt)
    return [each for each in found if each not in {"<|repo_name|>", "<|file_sep|>"}]


@pytest.mark.parametrize("name", SHAPES)
async def test_a_client_reads_its_answer(
    serve: Serve, own_model: OwnModel, name: str
) -> None:
    """Each recorded request is taken, in its mode, and each field it reads is there."""
    shape = SHAPES[name]
    config = Config(model=own_model.setting)
    async with serve("result += each\n        print(each)\n", config=config) as served:
        answer = await served.http.post(shape["path"], json=shape["body"])
        assert 200 == answer.status_code, answer.text
        [request] = served.engine.requests
        prompt = served.prompt()
    parts = events_of(answer.text) if shape["body"].get("stream") else [answer.json()]
    for field in shape["reads"]:
        assert read(parts[-1], field) is not None
    texts = "".join(
        str(read(part, field))
        for part in parts
        for field in ("content", "choices/0/text")
        if field in shape["reads"]
    )
    is_warm_up = shape["body"].get("n_predict") == 0
    assert ("" if is_warm_up else "result += each\n        print(each)\n") == texts
    if shape["is_raw"]:
        assert f"<|endoftext|>{shape['body']['prompt']}" == prompt
    else:
        assert sentinels(own_model.fill("", "")) == sentinels(prompt)
    # Only one of the families has a place for other files.
    has_place = own_model.family == "midfill-marked-cursor"
    is_offered = "LIMIT" in str(shape["body"])
    assert (has_place and is_offered) is ("LIMIT" in prompt)
    assert request.max_tokens <= 2048
