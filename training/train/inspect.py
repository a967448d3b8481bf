"""``python -m training.train.inspect``: shows the examples that a run is trained on.

Counts the middles by where they begin and end, and prints some examples. Nothing is
trained.
"""

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import count, islice
from pathlib import Path

from lsp_server.errors import MidfillError
from training.train.config import TrainConfig, read_config
from training.train.cuts import Cut
from training.train.data import RowSource
from training.train.documents import read_shards, write_store
from training.train.examples import Example, ExampleMaker, Role

__all__ = ["count_middles", "main", "show"]

_STARTS = ("line start", "indentation", "in a line")
_ENDS = ("before a line end", "behind a line end", "in a line", "end of window")


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit status."""
    options = _parser().parse_args(arguments)
    try:
        config = read_config(options.config, options.set)
        with tempfile.TemporaryDirectory() as folder:
            source = _source(options, config, Path(folder))
            stage = config.stage_at(options.at)
            items = (source.examples(number, stage) for number in count())
            examples = (example for item in items for example in item)
            drawn = list(islice(examples, options.examples))
            for line in _report(drawn, source.maker(), shown=options.show):
                sys.stdout.write(f"{line}\n")
    except MidfillError as exc:
        sys.stderr.write(f"error: {exc}\n")
        return 1
    return 0


def count_middles(cuts: Iterable[Cut]) -> Counter[tuple[str, str]]:
    """Count cuts by where the middle begins and where it ends.

    Cuts without code before or after the middle are left out.
    """
    return Counter(
        (_middle_start(cut), _middle_end(cut))
        for cut in cuts
        if cut.prefix.strip() and cut.suffix.strip()
    )


def show(example: Example, maker: ExampleMaker) -> str:
    """Return an example as text, sentinels by name, with its middle in ``«»``."""
    tokens = example.tokens.tolist()
    middle = int((example.roles == Role.MIDDLE).sum())
    read, written = tokens[: len(tokens) - middle], tokens[len(tokens) - middle :]
    return f"{maker.decode(read)}«{maker.decode(written)}»"


def _report(
    examples: list[Example], maker: ExampleMaker, *, shown: int
) -> Iterator[str]:
    tokens = sum(len(example.tokens) for example in examples)
    middles = sum(int((example.roles == Role.MIDDLE).sum()) for example in examples)
    cuts = [example.cut for example in examples if example.cut is not None]
    counts = count_middles(cuts)
    yield f"{len(examples):,} examples, {len(cuts):,} of them with a middle"
    yield f"{tokens:,} tokens, {middles / max(tokens, 1):.1%} of them of middles"
    yield f"{sum(counts.values()):,} middles with code before and behind:\n"
    yield from _table(counts)
    chosen = [example for example in examples if example.cut is not None][:shown]
    for number, example in enumerate(chosen, start=1):
        yield f"\n--- {number}\n{show(example, maker)}"


def _table(counts: Counter[tuple[str, str]]) -> Iterator[str]:
    total = max(sum(counts.values()), 1)
    yield f"| begins \\ ends | {' | '.join(_ENDS)} |"
    yield "| --- |" + " ---: |" * len(_ENDS)
    for start in _STARTS:
        shares = (f"{counts[start, end] / total:.1%}" for end in _ENDS)
        yield f"| {start} | {' | '.join(shares)} |"


def _middle_start(cut: Cut) -> str:
    line = cut.prefix.rpartition("\n")[2]
    if not line:
        return "line start"
    return "in a line" if line.strip() else "indentation"


def _middle_end(cut: Cut) -> str:
    if not cut.suffix:
        return "end of window"
    if cut.suffix.startswith("\n"):
        return "before a line end"
    return "behind a line end" if cut.middle.endswith("\n") else "in a line"


def _source(
    options: argparse.Namespace, config: TrainConfig, folder: Path
) -> RowSource:
    corpus = Path(options.corpus or config.data.corpus)
    store = folder / "train.bin"
    write_store(store, islice(read_shards(corpus, "train"), options.documents))
    return RowSource(
        store=store,
        tokenizer=Path(options.tokenizer or config.data.tokenizer),
        cuts=config.data.cuts,
        seed=config.recipe.seed,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training.train.inspect",
        description="Show the examples that a run would be trained on.",
    )
    add = parser.add_argument
    add("config", type=Path, help="TOML file, such as training/train/starter.toml")
    add(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="change a setting",
    )
    add("--corpus", help="corpus folder, instead of the file's")
    add("--tokenizer", help="tokenizer folder, instead of the file's")
    add("--documents", type=int, default=5000, help="files to read (default 5000)")
    add("--examples", type=int, default=5000, help="examples to count (default 5000)")
    add("--show", type=int, default=20, help="examples to print (default 20)")
    add("--at", type=float, default=1.0, help="share of the run (default 1.0)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
