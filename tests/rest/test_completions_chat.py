"""Chats, for models whose owner names a template."""

from pathlib import Path

import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam
from rest_server import Serve

from lsp_server.config import SHIPPED_MODEL, RestConfig
from lsp_server.errors import ConfigError
from lsp_server.prompt.raw_text import RawEncoder
from lsp_server.prompt.tokenizer import FastTokenizer
from lsp_server.rest.api_errors import ApiError
from lsp_server.rest.chat_template import ChatTemplate, Turn
from lsp_server.values import Priority

TEMPLATE = (
    "{% for message in messages %}<|repo_name|>{{ message.role }}\n"
    "{{ message.content | trim }}<|file_sep|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|repo_name|>assistant\n{% endif %}"
)
MESSAGES: list[ChatCompletionMessageParam] = [
    {"role": "system", "content": "be brief"},
    {"role": "user", "content": [{"type": "text", "text": " hi <|file_sep|> "}]},
]


@pytest.fixture
def encoder(tokenizer: FastTokenizer) -> RawEncoder:
    """Encodes rendered prompts of the shipped model."""
    return RawEncoder(tokenizer)


async def test_a_chat_is_rendered_by_the_owner_s_template(
    serve: Serve, tmp_path: Path
) -> None:
    """The template's control tokens count, and those that a message spells do not."""
    path = tmp_path / "template.jinja"
    path.write_text(TEMPLATE, encoding="utf-8")
    async with serve("hello\n", rest=RestConfig(chat_template=str(path))) as served:
        create = served.openai().chat.completions.create
        whole = await create(model=SHIPPED_MODEL, messages=MESSAGES, max_tokens=64)
        stream = await create(model=SHIPPED_MODEL, messages=MESSAGES, stream=True)
        parts = [part async for part in stream]
        request = served.engine.requests[0]
        prompt = served.prompt()
    assert "hello\n" == whole.choices[0].message.content
    deltas = [part.choices[0].delta for part in parts]
    assert "assistant" == deltas[0].role
    assert "hello\n" == "".join(delta.content or "" for delta in deltas)
    assert "stop" == parts[-1].choices[0].finish_reason
    expected = (
        "<|endoftext|><|repo_name|>system\nbe brief<|file_sep|>\n"
        "<|repo_name|>user\nhi <|file_sep|><|file_sep|>\n<|repo_name|>assistant\n"
    )
    assert expected == prompt
    assert 3 == request.token_ids.count(5)
    assert 2 == request.token_ids.count(6)
    assert Priority.EXPLICIT is request.priority


@pytest.mark.parametrize("setting", ["", "chatml"])
async def test_a_base_model_does_not_chat(serve: Serve, setting: str) -> None:
    """Without a template, or with one of other control tokens, the answer is a 400."""
    async with serve(rest=RestConfig(chat_template=setting)) as served:
        with pytest.raises(openai.BadRequestError, match="/v1/completions"):
            await served.openai().chat.completions.create(
                model=SHIPPED_MODEL, messages=MESSAGES
            )


@pytest.mark.parametrize(
    "attack",
    [
        "{{ messages.__class__.__mro__ }}",
        "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
        "{{ messages.append(1) }}",
        "{% for a in range(999999) %}{% endfor %}",
        "{{ raise_exception('no') }}",
        "{{ 1 / 0 }}",
    ],
)
def test_a_template_reaches_nothing_of_the_server(
    attack: str, encoder: RawEncoder
) -> None:
    """What the sandbox forbids is a refused request, and no more."""
    template = ChatTemplate(attack, subject="template")
    with pytest.raises(ApiError, match="does not take"):
        template.render([Turn(role="user", content="hi")], encoder)


@pytest.mark.parametrize("content", ["{% if %}", "x" * (1 << 19), "\udcff"])
def test_a_broken_template_is_a_setting_to_correct(
    tmp_path: Path, content: str
) -> None:
    """The server says which file it is, and does not start the API with it."""
    path = tmp_path / "template.jinja"
    path.write_text(content, encoding="utf-8", errors="surrogateescape")
    with pytest.raises(ConfigError, match="jinja"):
        ChatTemplate.read(str(path))
    with pytest.raises(ConfigError, match="cannot be read"):
        ChatTemplate.read(str(path / "none"))


def test_chatml_is_qwen_s_format() -> None:
    """The built-in template writes what Qwen's README shows."""
    template = ChatTemplate.read("chatml")
    assert template is not None
