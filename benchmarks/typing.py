"""Replays real edits key by key: time to ghost, keystrokes saved, and what they cost.

Run it with ``python -m benchmarks.typing`` from the repository's root; ``--help`` lists
the options. It needs pip, npm and apt once, to fetch the packages whose edits are
replayed (`typing_packages`) into a folder that is not committed.

All variants run on one engine: Midfill as it comes, with each feature switched off in
turn (``--without``), with other settings (``--variant``), and plain vLLM as a naive
client asks it. Trace after trace is replayed with each of them, in an order that the
seed decides, and each time with an empty prefix cache: so a busy machine is as bad for
one as for the other.
"""

import argparse
import asyncio
import dataclasses
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import httpx

from benchmarks.bench_editor import bench_editor
from benchmarks.figures import circumstances, write_result
from benchmarks.load_speech import Speech
from benchmarks.random_model import make_random_model
from benchmarks.side_channel import SideChannel
from benchmarks.typing_events import GhostSource, Played
from benchmarks.typing_figures import figures_of
from benchmarks.typing_llama import LlamaSource, llama_server
from benchmarks.typing_options import (
    BASE,
    FULL_KEYS,
    PAGE,
    QUICK_KEYS,
    Settings,
    parser,
    settings_of,
    variants_of,
)
from benchmarks.typing_packages import PACKAGES
from benchmarks.typing_replay import play
from benchmarks.typing_report import draw, report, write_into
from benchmarks.typing_sources import LspSource, NaiveSource
from benchmarks.typing_traces import Trace
from benchmarks.typing_workspace import traces_of, write_workspace
from lsp_server.client.headless import HeadlessClient
from lsp_server.config import Device
from lsp_server.operating_system import user_folder
from lsp_server.service.loaded_model import load_model

__all__ = ["main"]

_NAIVE, _LLAMA = "naive vLLM", "llama.cpp, llama.vim"
_NAIVE_BEFORE_CHARS, _NAIVE_AFTER_CHARS, _NAIVE_TOKENS = 3_000, 1_000, 48
_EMPTY_TRIES = 200


class _Bench:
    """One engine, and the variants that are replayed on it."""

    def __init__(
        self,
        arguments: argparse.Namespace,
        client: HeadlessClient,
        side: SideChannel,
        peers: Mapping[str, GhostSource],
        folder: str,
    ) -> None:
        self._arguments = arguments
        self._side = side
        self._lsp = LspSource(
            client,
            side,
            cancels=not arguments.no_cancel,
            tells_cursor=not arguments.no_cursor,
        )
        self._peers = peers
        self._folder = folder

    async def run(
        self, traces: Sequence[Trace], variants: Mapping[str, Settings]
    ) -> dict[str, list[Played]]:
        """Replay every trace with every variant."""
        seed = self._arguments.seed
        chance = random.Random(seed)  # noqa: S311 - an experiment's seed
        played: dict[str, list[Played]] = {
            name: [] for name in (*variants, *self._peers)
        }
        for number, trace in enumerate(traces):
            for name in chance.sample([*played], len(played)):
                source = self._peers.get(name, self._lsp)
                if name in variants:
                    self._lsp.configure(variants[name])
                if isinstance(source, LlamaSource):
                    await source.begin()
                await self._empty()
                done = await play(
                    source,
                    trace,
                    self._folder,
                    seed=seed,
                    is_real_time=self._arguments.real_time,
                    is_patient=self._arguments.patient,
                )
                if done.text != trace.result():
                    raise RuntimeError(f"{trace.name} was not typed as it should")
                played[name].append(done)
            sys.stderr.write(f"{number + 1} of {len(traces)}: {trace.name}\n")
        return played

    async def _empty(self) -> None:
        """Empty the engine's prefix cache, once nothing runs any more."""
        for _ in range(_EMPTY_TRIES):
            if await self._side.forget():
                return
            await asyncio.sleep(0.05)
        raise RuntimeError("a request still holds memory in the engine")


def _cells(played: Mapping[str, Sequence[Played]]) -> Iterator[dict[str, object]]:
    """Yield the figures of each language and variant, then of all languages."""
    languages = dict.fromkeys(
        each.trace.language_id for all_played in played.values() for each in all_played
    )
    for language in [*languages, "all"]:
        for name, all_played in played.items():
            of_it = [
                each
                for each in all_played
                if language in {each.trace.language_id, "all"}
            ]
            yield {"language": language, "variant": name, **figures_of(of_it)}


async def _run(arguments: argparse.Namespace) -> dict[str, object]:
    keys = arguments.keys or (QUICK_KEYS if arguments.quick else FULL_KEYS)
    traces = traces_of(
        arguments.languages, keys, seed=arguments.seed, cache=arguments.packages
    )
    base = settings_of(arguments.set)
    variants = variants_of(arguments)
    options = {
        **base,
        "model": {"path": arguments.model, **base.get("model", {})},
        # While vLLM is asked past the server, the server would take it for a hung one.
        "engine": {"canaryIntervalS": 0, **base.get("engine", {})},
        "log": {"level": "warning", **base.get("log", {})},
    }
    load_format = "dummy" if arguments.random_weights else "safetensors"
    started_s = time.monotonic()
    async with AsyncExitStack() as stack:
        made = tempfile.TemporaryDirectory(prefix="midfill-typing-")
        folder = Path(stack.enter_context(made))
        folders = write_workspace(arguments.languages, folder, cache=arguments.packages)
        client, side = await stack.enter_async_context(
            bench_editor(
                options,
                load_format=load_format,
                log=arguments.log,
                folders=folders,
                environment={**os.environ, **_own_folders(folder)},
                has_speech=bool(arguments.random_weights),
            )
        )
        peers = await _peers(arguments, side, stack)
        bench = _Bench(arguments, client, side, peers, folder.as_uri())
        result: dict[str, object] = {
            "benchmark": "typing",
            **circumstances(),
            "note": arguments.note,
            "engine": await side.info(),
            "engine_start_s": round(time.monotonic() - started_s, 1),
            "model": arguments.random_weights or arguments.model,
            "weights": "random" if arguments.random_weights else "the model's",
            "settings": {"all": base, **variants},
            "seed": arguments.seed,
            "is_real_time": arguments.real_time,
            "is_patient": arguments.patient,
            "cancels": not arguments.no_cancel,
            "tells_cursor": not arguments.no_cursor,
            "packages": [
                dataclasses.asdict(each)
                for each in PACKAGES
                if each.language_id in arguments.languages
            ],
            "traces": [
                {"name": each.name, "keys": each.keys, "places": len(each.stretches)}
                for each in traces
            ],
        }
        warm_up = [traces[0]] if traces else []
        await bench.run(warm_up, {BASE: {}})  # what is built at first use
        played = await bench.run(traces, variants)
        if client.messages:
            raise RuntimeError("\n".join(client.messages))
    cells = [*_cells(played)]
    took_s = round(time.monotonic() - started_s, 1)
    return {**result, "took_s": took_s, "base": BASE, "cells": cells}


def _own_folders(folder: Path) -> dict[str, str]:
    """Return variables that keep the workspace's index and the history from the user's.

    What the engine compiles stays where it is.
    """
    variables = {
        "XDG_CACHE_HOME": str(folder / "cache"),
        "XDG_STATE_HOME": str(folder / "state"),
    }
    if cache := user_folder("cache"):
        variables["TORCHINDUCTOR_CACHE_DIR"] = str(cache / "torchinductor")
    return variables


async def _peers(
    arguments: argparse.Namespace, side: SideChannel, stack: AsyncExitStack
) -> dict[str, GhostSource]:
    """Return what is measured beside Midfill, until the stack is left."""
    model = load_model(arguments.model, Device.CPU)
    peers: dict[str, GhostSource] = {}
    if not arguments.no_naive:
        door = await side.another()
        stack.callback(door.close)
        peers[_NAIVE] = NaiveSource(
            side,
            door,
            model.tokenizer,
            model.family,
            max_tokens=_NAIVE_TOKENS,
            before_chars=_NAIVE_BEFORE_CHARS,
            after_chars=_NAIVE_AFTER_CHARS,
            speech=Speech(model.tokenizer) if arguments.random_weights else None,
        )
    if arguments.llama_python:
        where = await stack.enter_async_context(
            llama_server(
                arguments.llama_python,
                model.folder,
                arguments.llama_threads,
                arguments.log,
            )
        )
        http = httpx.AsyncClient(base_url=where["url"], timeout=60)
        await stack.enter_async_context(http)
        peers[_LLAMA] = LlamaSource(http, model)
    return peers


def main(words: Sequence[str] | None = None) -> int:
    """Measure, print the tables, write JSON and plot, and return the exit status."""
    arguments = parser().parse_args(words)
    if arguments.draw:
        result = json.loads(arguments.draw.read_bytes())
        out = arguments.draw
    else:
        with tempfile.TemporaryDirectory(prefix="midfill-typing-") as folder:
            if shape := arguments.random_weights:
                arguments.model = str(make_random_model(Path(folder), shape))
            result, out = asyncio.run(_run(arguments)), arguments.out
        write_result(out, result)
    print(report(result))
    plot = out.with_suffix(".svg")
    if arguments.write_docs:
        write_into(PAGE, result, name=out.stem)
        plot = PAGE.with_name(plot.name)
    try:
        draw(result["cells"], plot)
    except ImportError:
        sys.stderr.write("No plot: matplotlib is not installed here; see --draw.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
