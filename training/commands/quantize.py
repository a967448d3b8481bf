"""``midfill quantize``: a 4-bit model folder of a 16-bit checkpoint."""

import argparse
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from lsp_server.commands.arguments import positive
from lsp_server.commands.serve import server_layers
from lsp_server.config import CompletionConfig, Config, EngineKind
from lsp_server.doctor.captured import captured_output
from lsp_server.doctor.finding import Finding, Level
from lsp_server.doctor.generation import check_generation
from lsp_server.doctor.vllm_build import installed_vllm
from lsp_server.engine.device import choose_device
from lsp_server.errors import QuantizeError
from lsp_server.modelstore.manifest import load_manifest
from lsp_server.modelstore.progress import Progress, progress_on
from lsp_server.prompt.families import FAMILIES
from lsp_server.service.loaded_model import load_model
from lsp_server.service.local_backend import starter_of
from lsp_server.settings import resolve
from training.quantize.backend import WorkerQuantizer
from training.quantize.environment import (
    default_environment,
    default_requirements,
    ensure_environment,
)
from training.quantize.pipeline import Order, Proof, check_order, quantise
from training.quantize.probe import find_installation
from training.quantize.source import GROUP_SIZES
from training.quantize.tool import AUTO_GPTQ, BITS, TOOLS

__all__ = ["add_arguments", "run"]

_PROOF_TOKENS = 512
_PROOF_OUTPUT_TOKENS = 16
_SHOWN_LINES = 12


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add = parser.add_argument
    sizes = ", ".join(map(str, sorted(GROUP_SIZES)))
    add("source", type=Path, help="folder: config.json, tokenizer.json, safetensors")
    add("--out", type=Path, required=True, help="folder to make; its name names it")
    add(
        "--family",
        required=True,
        choices=sorted(FAMILIES),
        metavar="FAMILY",
        help=f"FIM family that it was trained in: {', '.join(sorted(FAMILIES))}",
    )
    add("--bits", type=int, default=BITS, help="bits of a weight (4, the only choice)")
    add("--group-size", type=int, default=64, help=f"weights per scale: {sizes} (64)")
    add(
        "--calibration",
        type=Path,
        metavar="FOLDER|FILE",
        help="Python files, a training corpus, or JSON lines with a text each "
        "(default: Python's standard library)",
    )
    add(
        "--backend",
        choices=sorted(TOOLS),
        default=AUTO_GPTQ.name,
        help="what quantises: gptqmodel is recommended for every newer model type; "
        "auto-gptq is legacy (archived in March 2025), and runs in an environment of "
        "its own, which is made when first needed (default %(default)s)",
    )
    add(
        "--device",
        choices=("auto", "cpu", "cuda"),
        default="auto",
        help="where it computes (default: a GPU if the quantiser's PyTorch sees one)",
    )
    add("--samples", type=positive, default=64, help="calibration samples (64)")
    add("--sample-tokens", type=positive, default=512, help="tokens of each (512)")
    add("--seed", type=int, default=0, help="seed of the choice of text (0)")
    add("--licence", default="not stated", help="licence of the weights")
    add("--training", default="not stated", help="how the source was trained")
    add(
        "--no-engine",
        action="store_true",
        help="do not load the result in vLLM at the end",
    )
    add("--python", type=Path, help="a Python that has the quantiser, to be used as is")
    add(
        "--environment",
        type=Path,
        default=default_environment(),
        metavar="FOLDER",
        help="auto-gptq's environment (default %(default)s)",
    )
    add(
        "--requirements",
        type=Path,
        default=default_requirements(),
        metavar="FOLDER",
        help="the locks that it is made of (default %(default)s)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Quantise, verify, and say what came of it; return the exit status.

    Raises:
        MidfillError: It cannot be done; nothing was written.
    """
    order = Order(
        source=arguments.source,
        output=arguments.out,
        family=arguments.family,
        group_size=arguments.group_size,
        bits=arguments.bits,
        tool=TOOLS[arguments.backend],
        calibration=arguments.calibration,
        samples=arguments.samples,
        sample_tokens=arguments.sample_tokens,
        seed=arguments.seed,
        licence=arguments.licence,
        training=arguments.training,
    )
    prove = None if arguments.no_engine else _proof()
    progress = progress_on(sys.stderr)
    try:
        with _terminated_as_interrupted():
            # First what costs nothing: an environment is 1.5 GB.
            check_order(order)
            if order.tool.legacy:
                progress.say(order.tool.legacy)
            python = _python(arguments, progress)
            quantizer = WorkerQuantizer(
                find_installation(order.tool, python),
                device=arguments.device,
                progress=progress,
            )
            result = quantise(
                order, quantizer=quantizer, prove=prove, progress=progress
            )
    except KeyboardInterrupt:
        progress.say("interrupted; nothing was written")
        raise
    finally:
        progress.close()
    total = sum(entry.bytes for entry in result.manifest.files.values())
    print(f"{order.output}: {total:,} bytes; {result.comparison}")
    return 0


def _python(arguments: argparse.Namespace, progress: Progress) -> Path:
    """Return the Python that has the quantiser; auto-gptq's is made if need be."""
    if arguments.python is not None:
        return Path(arguments.python)
    if arguments.backend != AUTO_GPTQ.name:
        return Path(sys.executable)
    return ensure_environment(
        arguments.environment,
        requirements=arguments.requirements,
        progress=progress.say,
    )


def _proof() -> Proof:
    """Return what loads a model folder in vLLM and completes a line.

    Raises:
        QuantizeError: There is no vLLM here.
    """
    if not installed_vllm():
        raise QuantizeError(
            "vLLM is not installed, so the result could not be loaded",
            subject=sys.executable,
            remedy="Install it with `make install`, or leave that check out with "
            "--no-engine",
        )
    return _complete_a_line


def _complete_a_line(folder: Path) -> str:
    # What goes wrong is told; the engine's own warnings would come between.
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    config = resolve(server_layers(None)).config
    with captured_output() as printed:
        model = load_model(str(folder), choose_device(config.engine.device))
        tokens = min(_PROOF_TOKENS, load_manifest(folder).context_length)
        finding = check_generation(
            _eager(config, tokens), model, starter_of(EngineKind.VLLM)
        )
        printed.seek(0)
        said = printed.read().decode("utf-8", errors="replace")
    return _verdict(finding, said)


def _eager(config: Config, tokens: int) -> Config:
    """Start quickly and small: a few tokens prove that the weights load."""
    engine = replace(config.engine, enforce_eager=True, max_model_len=tokens)
    completion = CompletionConfig(
        max_line_tokens=_PROOF_OUTPUT_TOKENS, max_block_tokens=_PROOF_OUTPUT_TOKENS
    )
    return replace(config, engine=engine, completion=completion)


def _verdict(finding: Finding, said: str) -> str:
    if finding.level is Level.FAILURE:
        last = said.splitlines()[-_SHOWN_LINES:]
        sys.stderr.write("".join(f"{line}\n" for line in last))
        raise QuantizeError(
            f"vLLM cannot run the result: {finding.what}",
            subject=finding.name,
            remedy=finding.remedy or "Run `midfill doctor`",
        )
    return finding.what


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """Clean up on SIGTERM as on Ctrl+C."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
