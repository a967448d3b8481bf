"""Renders a chat as a prompt, by a template that the server's owner trusts.

A template is a program, and a model folder that brings one is refused (see
`modelstore.verify`). So the owner names it: a file of theirs, or ``chatml``, which is
Midfill's own. It runs in Jinja's sandbox all the same, and what clients write in
messages never becomes a control token, whatever the template does with it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment

from lsp_server.errors import ConfigError
from lsp_server.prompt.raw_text import RawEncoder
from lsp_server.rest.api_errors import ApiError

__all__ = ["ChatTemplate", "Turn"]

_CHATML = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n"
    "{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""Source: the format of Qwen's instruct models, as their README shows it."""

_CONTROL_NAME = re.compile(r"<\|[a-z0-9_]+\|>")

_BUILT_IN = "chatml"
_MOST_BYTES = 1 << 18


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A message of a chat.

    Attributes:
        role: Who speaks: ``system``, ``user`` or ``assistant``.
        content: The text.
    """

    role: str
    content: str


class ChatTemplate:
    """One chat template; `read` makes one from the settings."""

    def __init__(self, source: str, *, subject: str) -> None:
        """Compile the template.

        Args:
            source: The template.
            subject: Where it comes from, for errors.

        Raises:
            ConfigError: It is no template.
        """
        self._control_names = frozenset(_CONTROL_NAME.findall(source))
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, undefined=jinja2.Undefined
        )
        environment.globals["raise_exception"] = _raise
        try:
            self._template = environment.from_string(source)
        except jinja2.TemplateError as error:
            raise ConfigError(
                f"the chat template is not valid: {error}",
                subject=subject,
                remedy="name the file that belongs to the model, or `chatml`",
            ) from error

    @classmethod
    def read(cls, setting: str) -> "ChatTemplate | None":
        """Return the template that a setting names; None for an empty one.

        Args:
            setting: Empty, ``chatml``, or a file's path.

        Raises:
            ConfigError: The file cannot be read, or is no template.
        """
        if not setting:
            return None
        if setting == _BUILT_IN:
            return cls(_CHATML, subject=setting)
        path = Path(setting).expanduser()
        try:
            if path.stat().st_size > _MOST_BYTES:
                raise ConfigError(
                    f"the chat template is larger than {_MOST_BYTES:,} bytes",
                    subject=str(path),
                    remedy="name a template, or `chatml`",
                )
            return cls(path.read_text(encoding="utf-8"), subject=str(path))
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                "the chat template cannot be read",
                subject=str(path),
                remedy="correct rest.chat_template, or leave it empty",
            ) from error

    def fits(self, encoder: RawEncoder) -> bool:
        """Return whether a model has the control tokens that the template writes."""
        return all(encoder.control_id(name) is not None for name in self._control_names)

    def render(self, turns: Sequence[Turn], encoder: RawEncoder) -> str:
        """Return the prompt's text, for `RawEncoder.encode`.

        Args:
            turns: The messages; their text is marked as text.
            encoder: Of the model whose prompt it becomes.

        Raises:
            ApiError: The template refuses these messages.
        """
        messages = [
            {"role": turn.role, "content": encoder.as_text(turn.content)}
            for turn in turns
        ]
        try:
            return self._template.render(
                messages=messages,
                add_generation_prompt=True,
                bos_token="",
                eos_token="",
                tools=None,
            )
        except Exception as error:
            raise ApiError(
                "the model's chat template does not take these messages",
                subject="messages",
                remedy="let user and assistant take turns, after at most one system "
                "message",
            ) from error


class _RefusedError(Exception):
    """A template refuses its messages."""


def _raise(message: str) -> None:
    raise _RefusedError(message)
