"""A headless editor for the commands that show completions."""

import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from lsp_server.client.attached_messages import REQUEST_FAILED
from lsp_server.client.documents import Answer, read_source
from lsp_server.client.headless import HeadlessClient, headless_client
from lsp_server.commands.terminal import printable
from lsp_server.errors import AnswerError, ClientError
from lsp_server.file_languages import language_id_of
from lsp_server.modelstore.locate import locate, pulled_models_folder
from lsp_server.modelstore.manifest import load_manifest
from lsp_server.outcomes import Ending
from lsp_server.protocol.lines import split_lines, without_line_end
from lsp_server.raw_settings import DaemonMode
from lsp_server.service.reasons import NOT_READY
from lsp_server.setting_layers import server_layers
from lsp_server.settings import resolve

__all__ = [
    "Place",
    "Target",
    "ask_at",
    "name_of_model",
    "parse_place",
    "read_target",
    "ready_editor",
    "run_until_signal",
]

_UNCACHED = {"midfill": {"completion": {"cache": False}}}
_READY_TIMEOUT_S = 900.0
_NEWS_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A cursor in a file.

    Attributes:
        path: The file.
        line: The line, from 1.
        column: The column, from 1, in characters; 1 is left of the first character.
    """

    path: Path
    line: int
    column: int

    def offset_in(self, text: str) -> int:
        """Return the cursor in code points from the start of ``text``.

        Raises:
            ClientError: The file has no such place; the message says what it has.
        """
        lines = split_lines(text)
        if not 1 <= self.line <= len(lines):
            raise self._missing(f"line {self.line}", "the lines", len(lines))
        width = len(without_line_end(lines[self.line - 1]))
        if not 1 <= self.column <= width + 1:
            place = f"line {self.line}, column {self.column}"
            raise self._missing(place, "its columns", width + 1)
        return sum(map(len, lines[: self.line - 1])) + self.column - 1

    def _missing(self, place: str, numbered: str, last: int) -> ClientError:
        """Make the error for a place that the file does not have."""
        return ClientError(
            f"there is no {place}; {numbered} are 1 to {last}",
            subject=str(self.path),
            remedy="Name a place as editors show it: both numbers count from 1",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A place that exists, with the text that it was found in.

    Attributes:
        place: Where the cursor is.
        text: The file's text.
        offset: The cursor in code points from the start of the text.
    """

    place: Place
    text: str
    offset: int


def parse_place(text: str) -> Place:
    """Read ``FILE:LINE:COL``.

    Raises:
        ValueError: It is not of that form.
    """
    path, line, column = text.rsplit(":", 2)
    return Place(path=Path(path), line=int(line), column=int(column))


def read_target(place: Place) -> Target:
    """Read the place's file, and find the place in it.

    Raises:
        ClientError: The file cannot be read, or has no such place.
    """
    text = read_source(place.path)
    return Target(place=place, text=text, offset=place.offset_in(text))


def name_of_model(model: str, config_file: Path | None) -> str:
    """Return what servers call a model that the command line names.

    Raises:
        ModelError: It is not there, and no team server is asked, which has its own.
    """
    config = resolve(server_layers(config_file, model)).config
    if config.daemon.url and config.daemon.mode is not DaemonMode.NEVER:
        return model
    pulled = pulled_models_folder(config.registry.folder)
    folder = locate(config.model.path, pulled=pulled)
    load_manifest(folder)
    return folder.name


def run_until_signal(work: Coroutine[None, None, None]) -> None:
    """Run a coroutine to its end; SIGTERM and SIGHUP interrupt it as Ctrl-C does.

    Raises:
        KeyboardInterrupt: It was interrupted, after it has cleaned up.
    """

    async def guarded() -> None:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        if task is not None:
            for number in (signal.SIGTERM, signal.SIGHUP):
                loop.add_signal_handler(number, task.cancel)
        await work

    try:
        asyncio.run(guarded())
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


def _new_log() -> Path:
    """Make an empty file for a server's log."""
    descriptor, name = tempfile.mkstemp(prefix="midfill-", suffix=".log")
    os.close(descriptor)
    return Path(name)


@asynccontextmanager
async def ready_editor(
    serve_arguments: list[str], *, model: str = ""
) -> AsyncGenerator[HeadlessClient]:
    """Start a server as an editor would, and wait until its model is loaded.

    Each completion is generated, also one that was before. A line on stderr announces
    the wait for an engine that loads. The server's log is kept only when an error
    message refers to it.

    Args:
        serve_arguments: What the server is started with.
        model: The name of the model that has to answer; empty for any.

    Raises:
        ClientError: The server cannot be started, its engine fails, or it has another
            model, such as a daemon's that other windows use.
    """
    log = _new_log()
    keep_log = False
    command = [sys.executable, "-m", "lsp_server", "serve", "--stdio", *serve_arguments]
    try:
        async with headless_client(
            command, stderr_path=log, options=_UNCACHED
        ) as client:
            announcing = asyncio.create_task(_announce_loading(client))
            try:
                loaded = await client.wait_until_ready(_READY_TIMEOUT_S)
            finally:
                announcing.cancel()
            if model not in {"", loaded}:
                raise _other_model(client, model, loaded)
            shown = len(client.messages)
            for message in client.messages[:shown]:
                sys.stderr.write(printable(f"{message}\n"))
            ended_by = ""
            try:
                yield client
            except ClientError as error:
                ended_by = str(error)
                raise
            finally:
                # Such as why there were no completions any more.
                for message in client.messages[shown:]:
                    if message.rstrip(".") not in ended_by:
                        sys.stderr.write(printable(f"{message}\n"))
    except ClientError as error:
        keep_log = "log" in error.remedy or "server's log" in error.what
        if keep_log:
            sys.stderr.write(f"The server's log: {log}\n")
        raise
    finally:
        if not keep_log:
            os.remove(log)  # noqa: PTH107 - ASYNC240 knows pathlib only; one unlink blocks nobody


def _other_model(client: HeadlessClient, model: str, loaded: str) -> ClientError:
    """Return the error that another model would answer: what the server says of it."""
    subject = f"--model {model}"
    if client.messages:  # they say what to do
        return ClientError(" ".join(client.messages), subject=subject, remedy="")
    return ClientError(
        f"the server has the model {loaded}",
        subject=subject,
        remedy=f"leave --model out, or have {model} served there",
    )


async def _announce_loading(client: HeadlessClient) -> None:
    """Write a line to stderr when the engine begins to load; none if it is ready."""
    # Whoever waits for the engine reports a server that is lost.
    with suppress(ClientError):
        await client.wait_until_loading(_READY_TIMEOUT_S)
        sys.stderr.write("Loading the model (half a minute, more at first) ...\n")


async def ask_at(client: HeadlessClient, target: Target) -> Answer:
    """Open the target's text, complete there, and close it again.

    If the engine dies meanwhile, this waits for the next one and asks once more.

    Returns:
        The answer; without a suggestion, it holds the reason.

    Raises:
        AnswerError: This completion failed.
        ClientError: The server is gone, or its engine has died and does not come back.
    """
    await client.wait_until_ready(_READY_TIMEOUT_S)
    answer = await _ask_once(client, target)
    if answer is None:
        await client.wait_until_ready(_READY_TIMEOUT_S)
        answer = await _ask_once(client, target)
    if answer is None:
        place = target.place
        raise AnswerError(
            "the engine failed twice while it was to complete",
            subject=f"{place.path}:{place.line}:{place.column}",
            remedy="See the server's log",
            code=REQUEST_FAILED,
        )
    return answer


async def _ask_once(client: HeadlessClient, target: Target) -> Answer | None:
    """Ask for a completion; None if there was no engine that could complete."""
    losses = client.engine_losses
    path = target.place.path
    uri = path.absolute().as_uri()
    language_id = language_id_of(path, target.text)
    client.open_text(uri, target.text, language_id=language_id)
    try:
        answer = await client.complete(uri, target.offset)
        if answer.suggestions:
            return answer
        trace = await client.trace()
    finally:
        client.close_file(uri)
    reason = trace.get("reason")
    if reason == NOT_READY.sentence or trace.get("outcome") == Ending.FAILED.value:
        # The news that the engine died may come after the answer.
        if client.engine_losses == losses:
            with suppress(ClientError):
                await client.wait_until_lost(_NEWS_TIMEOUT_S)
        return None
    if client.engine_losses != losses:
        return None
    return replace(answer, reason=str(reason) if reason else None)
