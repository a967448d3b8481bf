"""The whole path with nothing faked: LSP, prompt, vLLM, the shipped GPTQ model."""

import asyncio
import os
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest
import pytest_asyncio
from own_models import shipped_model

from lsp_server.client.headless import HeadlessClient
from lsp_server.commands.demo import read_cursors
from lsp_server.commands.editing import ask_at, read_target
from lsp_server.outcomes import Source
from lsp_server.protocol.lines import PositionEncoding
from lsp_server.values import Trigger

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
SERVE = [sys.executable, "-m", "lsp_server", "serve", "--stdio"]
START_TIMEOUT_S = 500

pytestmark = [
    pytest.mark.engine,
    pytest.mark.asyncio(loop_scope="module"),
]


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the server's log goes."""
    return tmp_path_factory.mktemp("log") / "server.log"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def editor(log: Path) -> AsyncGenerator[HeadlessClient]:
    """An editor whose server has loaded the shipped model; one for all tests here."""
    client = HeadlessClient(PositionEncoding.UTF16)
    verbose = {**os.environ, "MIDFILL_LOG_LEVEL": "debug"}
    await client.start(SERVE, stderr_path=log, environment=verbose)
    try:
        await client.initialize(cache(on=False))
        await client.wait_until_ready(START_TIMEOUT_S)
        yield client
    finally:
        # Not shut down in order: the last test has killed the server.
        await client.kill()


def cache(*, on: bool) -> dict[str, object]:
    """Return the setting of the completion cache; off, each request is generated."""
    return {"midfill": {"completion": {"cache": on}}}


def engine_core(editor: HeadlessClient) -> psutil.Process:
    """Find vLLM's engine process below the server."""
    children = psutil.Process(editor.server_process_id).children(recursive=True)
    (core,) = [child for child in children if "EngineCore" in _title(child)]
    return core


@asynccontextmanager
async def engine_paused(editor: HeadlessClient) -> AsyncGenerator[None]:
    """Pause the engine until the server has read what is sent within.

    Without this a busy machine may end a short generation before the next message.
    """
    core = engine_core(editor)
    core.suspend()
    try:
        yield
        # Messages are read in order, so its answer shows that the others were read.
        _ = await editor.trace()
    finally:
        core.resume()


def _title(process: psutil.Process) -> str:
    return " ".join(process.cmdline()) + process.name()


async def test_every_marked_cursor_is_completed(editor: HeadlessClient) -> None:
    """Most shipped cursors get a suggestion, each with what it cost."""
    answers = [
        await ask_at(editor, read_target(cursor.place))
        for cursor in read_cursors(EXAMPLES)
    ]
    suggested = [answer for answer in answers if answer.suggestions]
    assert len(answers) // 2 < len(suggested)
    for answer in suggested:
        assert answer.timings is not None
        assert answer.timings.ttft_ms is not None
        assert 0 < answer.timings.ttft_ms <= answer.timings.total_ms
        assert answer.timings.output_tokens > 0


async def test_a_key_that_is_typed_through_generates_nothing(
    editor: HeadlessClient,
) -> None:
    """Up to the end of the suggestion; the answer comes from the completion cache."""
    editor.configure(cache(on=True))
    uri, text = "file:///typed_through.py", "def add(first, second):\n    return "
    editor.open_text(uri, text)
    answer = await editor.complete(uri, len(text), trigger=Trigger.INVOKED)
    assert answer.timings is not None
    assert Source.ENGINE is answer.timings.source
    suggested = answer.suggestions[0].text
    for typed in range(1, len(suggested.rstrip())):
        now = len(text) + typed
        editor.edit(uri, now - 1, now - 1, suggested[typed - 1])
        answer = await editor.complete(uri, now, trigger=Trigger.AUTOMATIC)
        assert [suggested[typed:]] == [each.text for each in answer.suggestions]
        assert answer.timings is not None
        assert Source.CACHE is answer.timings.source
        assert 0 == answer.timings.prompt_tokens == answer.timings.output_tokens
    editor.close_file(uri)
    editor.configure(cache(on=False))


async def test_the_second_time_finds_the_prompt_in_the_cache(
    editor: HeadlessClient,
) -> None:
    """A key later, all but the last block of the prompt is known to vLLM."""
    target = read_target(read_cursors(EXAMPLES)[0].place)
    await ask_at(editor, target)
    answer = await ask_at(editor, target)
    assert answer.timings is not None
    assert answer.timings.prompt_tokens - 64 <= answer.timings.cached_tokens


async def test_the_first_key_where_the_cursor_rested_finds_the_prompt_read(
    editor: HeadlessClient, log: Path
) -> None:
    """All but the last block of it, though nothing was asked there before."""
    uri = "file:///rested.py"
    text = "".join(f"value_{number} = compute({number})\n" for number in range(90))
    offset = text.index("compute(40)")
    editor.open_text(uri, text)
    editor.rest_cursor(uri, offset)
    async with asyncio.timeout(60):
        # A file tells of no change.
        while "prompt.read_ahead" not in log.read_text(encoding="utf-8"):  # noqa: ASYNC110, ASYNC240
            await asyncio.sleep(0.05)
    editor.edit(uri, offset, offset, "(")
    answer = await editor.complete(uri, offset + 1)
    assert answer.timings is not None
    assert answer.timings.prompt_tokens - 64 <= answer.timings.cached_tokens
    editor.close_file(uri)


async def test_greedy_answers_do_not_change(editor: HeadlessClient) -> None:
    """The same place gives the same suggestion, cached or not."""
    target = read_target(read_cursors(EXAMPLES)[0].place)
    answers = [(await ask_at(editor, target)).suggestions for _ in range(2)]
    assert answers[0]
    assert answers[0] == answers[1]


async def test_a_cancelled_request_ends_and_the_next_works(
    editor: HeadlessClient,
) -> None:
    """A cancellation is confirmed, and costs the next request nothing."""
    uri = "file:///cancelled.py"
    editor.open_text(uri, "def total(values):\n    \n\nprint(1)\n")
    async with engine_paused(editor):
        pending = editor.ask(uri, 23)
        editor.cancel(pending)
    assert (await pending.answer).cancelled
    assert (await editor.complete(uri, 23)).suggestions
    editor.close_file(uri)


async def test_a_newer_request_supersedes_the_older(editor: HeadlessClient) -> None:
    """Of two requests for a document, the older one is answered with nothing."""
    uri = "file:///superseded.py"
    editor.open_text(uri, "def total(values):\n    \n\nprint(2)\n")
    async with engine_paused(editor):
        older, newer = editor.ask(uri, 23), editor.ask(uri, 23)
    assert () == (await older.answer).suggestions
    assert (await newer.answer).suggestions
    editor.close_file(uri)


WORDS = """\
def total_of(values):
    total = 0
    for value in values:
        total += value
    return total


def mean_of(values):
    total = 0
    for value in values:
        total += value
    return tot"""


async def test_a_half_typed_word_is_finished(editor: HeadlessClient) -> None:
    """What was typed of it is not said again, and the trace shows that it was held."""
    uri = "file:///word.py"
    editor.open_text(uri, WORDS + "\n")
    answer = await editor.complete(uri, len(WORDS), trigger=Trigger.AUTOMATIC)
    (suggestion,) = answer.suggestions
    assert suggestion.text.startswith("al")
    reported = await editor.trace()
    end = shipped_model().fill("    return", "").rpartition("    return")[2]
    assert str(reported["prompt"]).endswith(f"    return{end}")
    assert "shown" == reported["outcome"]
    assert [suggestion.text] == reported["shown"]
    editor.close_file(uri)


async def test_an_explicit_request_gets_different_candidates(
    editor: HeadlessClient,
) -> None:
    """Several suggestions, no two alike, and the same ones when asked again."""
    uri = "file:///candidates.py"
    text = "for "
    editor.open_text(uri, text + "\n    print(1)\n")
    answers = []
    for _ in range(2):
        answer = await editor.complete(uri, len(text), trigger=Trigger.INVOKED)
        answers.append([suggestion.text for suggestion in answer.suggestions])
    texts, again = answers
    assert 1 < len(texts) == len(set(texts)) <= 3, answers
    assert texts == again
    editor.close_file(uri)


async def test_typing_ahead_keeps_or_ends_a_generation(editor: HeadlessClient) -> None:
    """Its own beginning leaves the rest; anything else ends it, with no answer."""
    uri = "file:///ahead.py"
    editor.open_text(uri, WORDS + "\n")
    offset = len(WORDS)
    async with engine_paused(editor):
        pending = editor.ask(uri, offset, trigger=Trigger.AUTOMATIC)
        editor.edit(uri, offset, offset, "a")
    (suggestion,) = (await pending.answer).suggestions
    assert suggestion.text.startswith("l")
    async with engine_paused(editor):
        pending = editor.ask(uri, offset + 1, trigger=Trigger.AUTOMATIC)
        editor.edit(uri, 0, 0, "# changed\n")
    assert () == (await pending.answer).suggestions
    assert "superseded" == (await editor.trace())["outcome"]
    editor.close_file(uri)


async def test_a_killed_engine_is_reported_once_and_comes_back(
    editor: HeadlessClient,
) -> None:
    """Killed in mid-generation: an empty answer, one message, and a restart."""
    uri = "file:///killed.py"
    text = "def mean(values):\n    \n\n\ndef median(values):\n    pass\n"
    editor.open_text(uri, text)
    core = engine_core(editor)
    # Else a short answer may come before the end.
    core.suspend()
    pending = editor.ask(uri, 22)
    core.kill()
    assert () == (await pending.answer).suggestions
    await editor.wait_until_loading(60)
    await editor.wait_until_ready(START_TIMEOUT_S)
    assert (await editor.complete(uri, 22)).suggestions
    assert len(editor.messages) == 1, editor.messages
    (message,) = editor.messages
    assert message.endswith("It is being started again.")


async def test_no_text_of_the_user_is_logged(editor: HeadlessClient, log: Path) -> None:
    """Neither Midfill nor vLLM writes the document or the completion to the log."""
    uri = "file:///canary.py"
    editor.open_text(uri, "canary_name = 'canary_value'\nprint(canary_name, )\n")
    await editor.complete(uri, 48)
    content = await asyncio.to_thread(log.read_text)
    assert "completion.done" in content
    assert "canary" not in content


async def test_nothing_is_left_when_the_server_is_killed(
    editor: HeadlessClient,
) -> None:
    """The engine's processes end with the server, even if it could not end them."""
    processes = psutil.Process(editor.server_process_id).children(recursive=True)
    assert processes
    psutil.Process(editor.server_process_id).kill()
    _, alive = await asyncio.to_thread(psutil.wait_procs, processes, timeout=60)
    assert [] == alive
