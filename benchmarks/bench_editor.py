"""A headless editor on a server with a side channel."""

import sys
import tempfile
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from benchmarks.side_channel import SideChannel
from lsp_server.client.headless import HeadlessClient, headless_client

__all__ = ["bench_editor"]

_READY_TIMEOUT_S = 900.0


@asynccontextmanager
async def bench_editor(
    options: Mapping[str, object],
    *,
    load_format: str,
    log: Path,
    folders: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    has_speech: bool = False,
) -> AsyncGenerator[tuple[HeadlessClient, SideChannel]]:
    """Start the benchmark's server, and wait until its engine is ready.

    Args:
        options: The ``initializationOptions``.
        load_format: ``safetensors`` for the model's weights, ``dummy`` for random ones.
        log: The server's log goes to this file.
        folders: The URIs of the workspace's folders.
        environment: The server's whole environment; None for ours.
        has_speech: Whether the server reads text in place of the engine's tokens.
    """
    with tempfile.TemporaryDirectory(prefix="midfill-bench-") as folder:
        socket = Path(folder) / "side"
        command = [sys.executable, "-m", "benchmarks.bench_server"]
        command += ["--socket", str(socket), "--load-format", load_format]
        command += ["--speech"] * has_speech
        async with headless_client(
            command,
            stderr_path=log,
            options=options,
            folders=folders,
            environment=environment,
        ) as client:
            await client.wait_until_ready(_READY_TIMEOUT_S)
            side = await SideChannel.open(socket)
            try:
                yield client, side
            finally:
                side.close()
