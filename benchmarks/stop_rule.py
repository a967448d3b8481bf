"""How many tokens the stop rule saves in the engine, by its causes.

``python -m benchmarks.stop_rule [--count N] [--eagerness WORD]`` asks the shipped
model, on its real engine and through the whole service, at cursors in Python's own
library where somebody pauses in typing, and counts what the metrics count.
"""

import argparse
import asyncio
import gc
import itertools
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

from benchmarks.figures import circumstances, table, write_result
from benchmarks.typing_places import KINDS, pauses
from lsp_server.completion_config import CompletionConfig, Eagerness
from lsp_server.config import Config, Device, EngineKind
from lsp_server.engine.start_progress import StartProgress
from lsp_server.metrics import NoMetrics, RequestRecord
from lsp_server.service.assembly import service_of
from lsp_server.service.completion import CompletionService
from lsp_server.service.engine_start import starter_of
from lsp_server.service.loaded_model import load_model
from lsp_server.service.typed_ahead import TypedAhead
from lsp_server.values import Snapshot, Trigger

_OTHERS = "ended by the model"


class _Saved(NoMetrics):
    """Counts generations, the tokens that they made, and those that they did not."""

    def __init__(self) -> None:
        self.counts: dict[str, Counter[str]] = defaultdict(Counter)

    def request_done(self, record: RequestRecord) -> None:
        """Count an automatic request, which has one generation."""
        if not record.timings.output_tokens:
            return
        cause = record.stopped[0][0].value if record.stopped else _OTHERS
        self.counts[cause]["generations"] += 1
        self.counts[cause]["generated"] += record.timings.output_tokens
        self.counts[cause]["saved"] += sum(tokens for _, tokens in record.stopped)


async def _ask(service: CompletionService, kind: str, count: int, seed: int) -> None:
    """Ask at so many cursors of a kind."""
    for number, pause in enumerate(itertools.islice(pauses(kind, seed), count)):
        await service.complete(
            Snapshot(
                uri=f"file:///{kind}/{number}/{pause.name}",
                language_id="python",
                version=1,
                text=pause.text,
                offset=pause.offset,
            ),
            request_id=f"{kind}-{number}",
            trigger=Trigger.AUTOMATIC,
            typed=TypedAhead(),
        )


async def _measure(count: int, seed: int, eagerness: Eagerness) -> _Saved:
    """Start the engine, and ask at cursors of every kind."""
    config, saved = Config(completion=CompletionConfig(eagerness=eagerness)), _Saved()
    model = load_model(config.model.path, Device.CPU)
    engine = await starter_of(EngineKind.VLLM)(config, model, StartProgress({}))
    try:
        service = service_of(model, engine, config, metrics=saved)
        for kind in KINDS:
            await _ask(service, kind, count, seed)
    finally:
        await engine.close()
    return saved


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=20, help="cursors of each kind")
    parser.add_argument("--seed", type=int, default=1)
    words = [each.value for each in Eagerness]
    parser.add_argument("--eagerness", choices=words, default=Eagerness.NORMAL.value)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args(arguments)
    eagerness = Eagerness(options.eagerness)
    saved = asyncio.run(_measure(options.count, options.seed, eagerness))
    gc.collect()  # vLLM's closed engine must not live until the interpreter ends
    names = ("generations", "generated", "saved")
    rows = sorted(saved.counts.items(), key=lambda row: -row[1]["saved"])
    rows.append(("all", sum((count for _, count in rows), Counter())))
    cells = [[cause, *(str(count[name]) for name in names)] for cause, count in rows]
    print(table(["ended by", "generations", "tokens generated", "saved"], cells))
    if options.output:
        figures = {cause: dict(count) for cause, count in rows}
        result = {**vars(options), "output": options.output.name, "figures": figures}
        write_result(options.output, {**result, **circumstances()})
    return 0


if __name__ == "__main__":
    sys.exit(main())
