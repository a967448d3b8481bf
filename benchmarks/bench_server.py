"""``midfill serve`` with a side door: the server that the benchmarks measure.

Protocol, service and engine are the ones of ``midfill serve --stdio``. What differs:
the engine is wrapped in an `EngineTap`, a socket lets the benchmark ask it directly,
its worker tells about its heap, and it can be started with random weights, and with
fixed words in place of what those say.
"""

import argparse
import asyncio
import sys
from functools import partial
from pathlib import Path

from benchmarks.engine_tap import EngineTap
from benchmarks.heap_probe import HeapProbe
from benchmarks.load_speech import Speech
from benchmarks.load_tap import LoadTap
from benchmarks.side_channel import serve_side_channel
from lsp_server.config import Config
from lsp_server.engine.base import Engine
from lsp_server.engine.start_progress import StartProgress
from lsp_server.engine.vllm_build import choose_device
from lsp_server.engine.vllm_engine import VllmEngine
from lsp_server.engine.vllm_messages import VllmMetrics
from lsp_server.engine.vllm_options import prepare_environment
from lsp_server.protocol.server import run_stdio
from lsp_server.service.configurator import LayeredConfigurator
from lsp_server.service.engine_pool import EnginePool
from lsp_server.service.engine_start import EngineStarter
from lsp_server.service.loaded_model import LoadedModel
from lsp_server.setting_layers import server_layers
from lsp_server.settings import resolve
from lsp_server.telemetry import configure_logging

__all__ = ["main", "start_vllm"]


def _tapped(socket: Path, load_format: str, *, has_speech: bool) -> EngineStarter:
    """Return what starts the engine as the usual backend does, with a side door.

    Args:
        socket: Where the side channel listens once the engine is ready.
        load_format: ``safetensors`` for the model's weights, ``dummy`` for random ones.
        has_speech: Whether text is read in place of the engine's tokens.
    """
    side_channels: list[asyncio.Server] = []

    async def start(
        config: Config, model: LoadedModel, progress: StartProgress
    ) -> Engine:
        engine = await start_vllm(config, model, progress, load_format)
        tokenizer = model.tokenizer
        tap = EngineTap(engine, tokenizer)
        if has_speech:
            tap = LoadTap(engine, tokenizer, speech=Speech(tokenizer))
        side_channels.append(await serve_side_channel(socket, tap))
        return tap

    return start


async def start_vllm(
    config: Config,
    model: LoadedModel,
    progress: StartProgress,
    load_format: str,
    *,
    prefix_cache: bool = True,
    stats: VllmMetrics | None = None,
) -> VllmEngine:
    """Start the engine as the usual backend does, with a probe in its worker.

    Args:
        config: The settings.
        model: The model.
        progress: Gets the stages of the start.
        load_format: ``safetensors`` for the model's weights, ``dummy`` for random ones.
        prefix_cache: Whether vLLM keeps what it computed of prompts.
        stats: Takes vLLM's own metrics; without it vLLM keeps none.
    """
    device = await asyncio.to_thread(choose_device, config.engine.device)
    prepare_environment(device)
    await asyncio.to_thread(_open_vllm, load_format, prefix_cache=prefix_cache)
    quantisation = model.manifest.quantisation
    return await VllmEngine.start(
        config.engine,
        model_folder=model.folder,
        context_length=model.manifest.context_length,
        quantization=quantisation.method if quantisation else "",
        on_stage=progress.reach,
        stats=stats,
    )


def _open_vllm(load_format: str, *, prefix_cache: bool) -> None:
    """Have vLLM's worker answer the benchmarks' questions, and choose its weights.

    Of random weights the shapes decide the times, not the values.
    """
    from vllm.engine import arg_utils  # noqa: PLC0415 - takes seconds, in a thread

    class BenchArgs(arg_utils.AsyncEngineArgs):  # type: ignore[misc]  # Any to mypy
        """The server's options, but for three."""

        def __post_init__(self) -> None:
            """Replace the way in which weights are loaded, and the worker's probe."""
            self.load_format = load_format
            self.enable_prefix_caching = prefix_cache
            self.worker_extension_cls = f"{HeapProbe.__module__}.{HeapProbe.__name__}"
            super().__post_init__()

    arg_utils.AsyncEngineArgs = BenchArgs


def main() -> int:
    """Serve, and return the exit status."""
    parser = argparse.ArgumentParser(description="The server under a benchmark.")
    parser.add_argument("--socket", type=Path, required=True)
    parser.add_argument("--load-format", default="safetensors")
    parser.add_argument("--speech", action="store_true")
    arguments = parser.parse_args()
    layers = server_layers(None)
    config = resolve(layers).config
    log_to_stderr = partial(configure_logging, stream=sys.stderr)
    log_to_stderr(config.log.level)
    pool = EnginePool(
        lambda _kind: _tapped(
            arguments.socket, arguments.load_format, has_speech=arguments.speech
        ),
        max_engines=1,
        admission=config.admission,
    )
    return run_stdio(
        LayeredConfigurator(layers, pool=pool, set_log_level=log_to_stderr)
    )


if __name__ == "__main__":
    sys.exit(main())
