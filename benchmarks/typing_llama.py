"""Ghosts from llama.cpp's server, asked as llama.vim asks it.

Taken over from llama.vim: the window of 256 lines above and 64 below the cursor, cut to
three quarters and one quarter of the batch; the samplers and limits; no question where
more than 8 characters stand right of the cursor; a cache of 250 answers, of which what
was typed since is taken off; once a ghost is there, the question for what follows it;
and no ghost of blanks, or of the line that stands below. Left out: chunks of other
files, of which there are none here.

The model's format is not the one that llama.cpp's ``/infill`` writes, and its tokenizer
is not known there, so that ``/completion`` is asked with the tokens of the same window.

Source: ggml-org/llama.vim, README and ``autoload/llama.vim``.
"""

import asyncio
import contextlib
import json
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from benchmarks.typing_events import Ghost, Spent
from lsp_server.prompt.fim import Literal, Sentinel, Slot
from lsp_server.service.loaded_model import LoadedModel

__all__ = ["LlamaSource", "llama_server"]

_ROOT = Path(__file__).resolve().parents[1]
_LINES_BEFORE, _LINES_AFTER = 256, 64
_BATCH_TOKENS = 1024
_MOST_CHARS_AFTER = 8
_CACHED = 250
_WALK_BACK_CHARS = 128
_REQUEST: Mapping[str, object] = {
    "n_predict": 128,
    "top_k": 40,
    "top_p": 0.99,
    "samplers": ["top_k", "top_p", "infill"],
    "cache_prompt": True,
    "t_max_predict_ms": 1000,
    "return_tokens": True,
    "stream": False,
    # llama.vim leaves it to chance.
    "seed": 1,
}
_LONG_CHARS_AFTER = "the cursor's line goes on"


@asynccontextmanager
async def llama_server(
    python: Path, model: Path, threads: int, log: Path
) -> AsyncGenerator[dict[str, str]]:
    """Start llama.cpp's server in the other environment; return where it listens."""
    with log.open("ab") as errors:
        process = await asyncio.create_subprocess_exec(
            python,
            "-m",
            "benchmarks.llama_cpp_server",
            str(model),
            "--threads",
            str(threads),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
            cwd=_ROOT,
        )
    try:
        line = await process.stdout.readline() if process.stdout else b""
        if not line:
            raise RuntimeError(f"llama.cpp did not start; see {log}")
        yield json.loads(line)
    finally:
        if process.stdin is not None:
            process.stdin.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(10):
                await process.wait()
        if process.returncode is None:
            process.kill()


class LlamaSource:
    """An editor with llama.vim on llama.cpp's server.

    Args:
        http: Asks the server.
        model: The model that it runs.
    """

    def __init__(self, http: httpx.AsyncClient, model: LoadedModel) -> None:
        self._http = http
        self._tokenizer = model.tokenizer
        self._family = model.family
        self._texts: dict[str, str] = {}
        self._answers: OrderedDict[tuple[str, str], str] = OrderedDict()
        self._spent: list[Spent] = []
        self._ahead: asyncio.Task[str] | None = None

    async def begin(self) -> None:
        """Forget all answers, and all prompts of the server."""
        await self._stop_ahead()
        self._answers.clear()
        answer = await self._http.post("/slots/0?action=erase")
        answer.raise_for_status()

    def open(self, uri: str, _language_id: str, text: str) -> None:
        """Keep the text."""
        self._texts[uri] = text

    def edit(self, uri: str, start: int, end: int, text: str) -> None:
        """Change the text."""
        was = self._texts[uri]
        self._texts[uri] = was[:start] + text + was[end:]

    def rest(self, uri: str, offset: int) -> None:
        """Do nothing: llama.vim reads no prompt ahead where the cursor goes."""

    def ask(self, uri: str, offset: int) -> asyncio.Task[Ghost]:
        """Ask, unless the answer is known or nothing would fit."""
        text = self._texts[uri]
        return asyncio.create_task(self._ghost(text[:offset], text[offset:]))

    async def _ghost(self, before: str, after: str) -> Ghost:
        if len(after.partition("\n")[0]) > _MOST_CHARS_AFTER:
            return Ghost(text="", reason=_LONG_CHARS_AFTER)
        written = self._known(before, after)
        if written is None:
            await self._stop_ahead()
            written = await self._written(before, after, is_ahead=False)
        shown = _shown(written, after)
        if shown and self._known(before + shown, after) is None:
            await self._stop_ahead()
            self._ahead = asyncio.create_task(
                self._written(before + shown, after, is_ahead=True)
            )
        return Ghost(text=shown)

    def _known(self, before: str, after: str) -> str | None:
        """Return what is left of an answer whose beginning was typed since."""
        for back in range(min(_WALK_BACK_CHARS, len(before)) + 1):
            cut = len(before) - back
            written = self._answers.get((before[:cut], after))
            is_begun = written is not None and written.startswith(before[cut:])
            if written is not None and is_begun and (not back or len(written) > back):
                return written[back:]
        return None

    async def _written(self, before: str, after: str, *, is_ahead: bool) -> str:
        """Ask the server, and remember its answer."""
        token_ids = self._prompt(before, after)
        line = before.rpartition("\n")[2]
        indentation = len(line) - len(line.lstrip())
        asked_s = time.perf_counter()
        body: dict[str, Any] = {}
        try:
            answer = await self._http.post(
                "/completion",
                json={**_REQUEST, "prompt": token_ids, "n_indent": indentation},
            )
            answer.raise_for_status()
            body = answer.json()
        finally:
            times = body.get("timings", {})
            self._spent.append(
                Spent(
                    asked_s=asked_s,
                    prompt_tokens=len(token_ids),
                    cached_tokens=times.get("cache_n"),
                    output_tokens=times.get("predicted_n", 0),
                    is_ahead=is_ahead,
                )
            )
        written = self._tokenizer.decode(body["tokens"])
        self._answers[(before, after)] = written
        while len(self._answers) > _CACHED:
            self._answers.popitem(last=False)
        return written

    async def _stop_ahead(self) -> None:
        """Cancel the request that was sent ahead, and wait for its end."""
        if self._ahead is not None:
            self._ahead.cancel()
            await asyncio.wait({self._ahead})

    def _prompt(self, before: str, after: str) -> list[int]:
        """Return the window in the model's format."""
        encode = self._tokenizer.encode
        above = "\n".join(before.split("\n")[-_LINES_BEFORE - 1 :])
        below = "\n".join(after.split("\n")[: _LINES_AFTER + 1])
        quarter = _BATCH_TOKENS // 4
        prefix = encode(above)[-3 * (quarter - 1) :]
        suffix = encode(below)[: quarter - len(self._family.order)]
        ids: list[int] = []
        for part in self._family.order:
            match part:
                case Sentinel(token=name):
                    token_id = self._tokenizer.token_id(name)
                    ids += [] if token_id is None else [token_id]
                case Literal(text=fixed):
                    ids += encode(fixed)
                case Slot.PREFIX:
                    ids += prefix
                case Slot.SUFFIX:
                    ids += suffix
        return ids

    def accept(self, ghost: Ghost, chars: int) -> None:
        """Do nothing: what follows was asked for when the ghost came."""

    async def why_nothing(self) -> str:
        """Return nothing: there are no reasons."""
        return ""

    def close(self, uri: str) -> None:
        """Forget the text."""
        del self._texts[uri]

    async def spent(self) -> Sequence[Spent]:
        """Return what was asked since the last call."""
        spent, self._spent = self._spent, []
        return spent


def _shown(written: str, after: str) -> str:
    """Return a ghost: nothing of blanks, or of what stands below already."""
    text = written.rstrip()
    below = after.lstrip("\n").partition("\n")[0].strip()
    lines = [each.strip() for each in text.strip().split("\n")]
    return "" if not text.strip() or lines[0] == below else text
