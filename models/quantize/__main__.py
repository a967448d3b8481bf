"""``python -m models.quantize``: the command line of the pipeline."""

import argparse
import sys
import time
from pathlib import Path

from lsp_server.errors import MidfillError
from models.quantize.backend import AutoGptq
from models.quantize.environment import (
    default_environment,
    default_requirements,
    ensure_environment,
)
from models.quantize.pipeline import Order, check_order, quantise
from models.quantize.process import Progress

__all__ = ["main"]

_INTERRUPTED = 130


def main(arguments: list[str] | None = None) -> int:
    """Run the command, and give its exit status."""
    options = _parser().parse_args(arguments)
    order = Order(
        source=options.source,
        output=options.output,
        family=options.family,
        group_size=options.group_size,
        calibration=options.calibration,
        samples=options.samples,
        sample_tokens=options.sample_tokens,
        seed=options.seed,
        licence=options.licence,
        training=options.training,
    )
    progress = _clocked_progress()
    try:
        # First what costs nothing: an environment is 1.5 GB.
        check_order(order)
        python = ensure_environment(
            options.environment,
            requirements=options.requirements,
            progress=progress,
        )
        result = quantise(
            order, quantizer=AutoGptq(python, progress=progress), progress=progress
        )
    except MidfillError as exc:
        print(f"error: {exc}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; nothing was written", file=sys.stderr)
        return _INTERRUPTED
    total = sum(entry.bytes for entry in result.manifest.files.values())
    print(f"{order.output}: {total:,} bytes; {result.comparison}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m models.quantize",
        description="Quantise a 16-bit checkpoint to 4 bits with GPTQ. auto-gptq runs "
        "in an environment of its own, which is made when it is first needed.",
    )
    add = parser.add_argument
    add("source", type=Path, help="folder: config.json, tokenizer.json, safetensors")
    add("--output", type=Path, required=True, help="folder to make; its name names it")
    add("--family", required=True, help="FIM family that the model was trained in")
    add("--group-size", type=int, default=64, help="weights per scale (default 64)")
    add("--calibration", type=Path, help="folder of Python files (default: Python's)")
    add("--samples", type=_positive, default=64, help="calibration samples (64)")
    add("--sample-tokens", type=_positive, default=512, help="tokens of each (512)")
    add("--seed", type=int, default=0, help="seed of the choice of text (0)")
    add("--licence", default="not stated", help="licence of the weights")
    add("--training", default="not stated", help="how the source was trained")
    add(
        "--environment",
        type=Path,
        default=default_environment(),
        help="folder of auto-gptq's environment (default %(default)s)",
    )
    add(
        "--requirements",
        type=Path,
        default=default_requirements(),
        help="folder of the locks that it is made of (default %(default)s)",
    )
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is not a positive number")
    return number


def _clocked_progress() -> Progress:
    start_s = time.monotonic()

    def say(line: str) -> None:
        print(f"[{time.monotonic() - start_s:6.1f} s] {line}", file=sys.stderr)

    return say


if __name__ == "__main__":
    sys.exit(main())
