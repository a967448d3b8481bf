"""``midfill quantize``: make a 4-bit model folder from a 16-bit checkpoint."""

import argparse
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from lsp_server.commands.terminal import captured_output, positive
from lsp_server.config import CompletionConfig, Config, EngineKind
from lsp_server.doctor.findings import Finding, Level
from lsp_server.doctor.model import check_generation
from lsp_server.engine.vllm_build import choose_device, installed_vllm
from lsp_server.errors import QuantizeError
from lsp_server.modelstore.manifest import load_manifest
from lsp_server.prompt.families import FAMILIES
from lsp_server.service.engine_start import starter_of
from lsp_server.service.loaded_model import load_model
from lsp_server.setting_layers import server_layers
from lsp_server.settings import resolve
from training.progress import Progress, progress_on
from training.quantize.backend import WorkerQuantizer
from training.quantize.pipeline import LoadCheck, Options, check_options, quantise
from training.quantize.quantisers import (
    AUTO_GPTQ,
    BITS,
    TOOLS,
    default_environment,
    default_requirements,
    ensure_environment,
    find_installation,
)
from training.quantize.source import GROUP_SIZES

__all__ = ["add_arguments", "run"]

_CHECK_TOKENS = 512
_CHECK_OUTPUT_TOKENS = 16
_SHOWN_LINES = 12


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add = parser.add_argument
    sizes = ", ".join(map(str, sorted(GROUP_SIZES)))
    add("source", type=Path, help="folder: config.json, tokenizer.json, safetensors")
    add("--out", type=Path, required=True, help="folder to make; names the model")
    add(
        "--family",
        required=True,
        choices=sorted(FAMILIES),
        metavar="FAMILY",
        help=f"FIM family that it was trained with: {', '.join(sorted(FAMILIES))}",
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
        help="the quantiser: gptqmodel is recommended for every newer model type; "
        "auto-gptq is legacy (archived in March 2025), and runs in its own "
        "environment, which is made when first needed (default %(default)s)",
    )
    add(
        "--device",
        choices=("auto", "cpu", "cuda"),
        default="auto",
        help="where it computes (default: a GPU if the quantiser's PyTorch sees one)",
    )
    add("--samples", type=positive, default=64, help="calibration samples (64)")
    add("--sample-tokens", type=positive, default=512, help="tokens of each (512)")
    add("--seed", type=int, default=0, help="seed for drawing the text (0)")
    add("--licence", default="not stated", help="licence of the weights")
    add("--training", default="not stated", help="how the source was trained")
    add(
        "--no-engine",
        action="store_true",
        help="do not load the result in vLLM at the end",
    )
    add("--python", type=Path, help="a Python that has the quantiser; used as it is")
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
        help="the locks that it is made from (default %(default)s)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Quantise, verify, print a summary, and return the exit status.

    Raises:
        MidfillError: A step failed; nothing was written.
    """
    options = Options(
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
    load_check = None if arguments.no_engine else _load_check()
    progress = progress_on(sys.stderr)
    try:
        with _terminated_as_interrupted():
            # Before an environment of 1.5 GB is installed.
            check_options(options)
            if options.tool.legacy:
                progress.say(options.tool.legacy)
            python = _python(arguments, progress)
            quantizer = WorkerQuantizer(
                find_installation(options.tool, python),
                device=arguments.device,
                progress=progress,
            )
            result = quantise(
                options,
                quantizer=quantizer,
                load_check=load_check,
                progress=progress,
            )
    except KeyboardInterrupt:
        progress.say("interrupted; nothing was written")
        raise
    finally:
        progress.close()
    total = sum(entry.bytes for entry in result.manifest.files.values())
    print(f"{options.output}: {total:,} bytes; {result.comparison}")
    return 0


def _python(arguments: argparse.Namespace, progress: Progress) -> Path:
    """Return the Python that has the quantiser; make auto-gptq's if necessary."""
    if arguments.python is not None:
        return Path(arguments.python)
    if arguments.backend != AUTO_GPTQ.name:
        return Path(sys.executable)
    return ensure_environment(
        arguments.environment,
        requirements=arguments.requirements,
        progress=progress.say,
    )


def _load_check() -> LoadCheck:
    """Return a check that loads a model folder in vLLM and completes a line.

    Raises:
        QuantizeError: vLLM is not installed.
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
    # Failures are reported below; the engine's warnings would interrupt the display.
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    config = resolve(server_layers(None)).config
    with captured_output() as printed:
        model = load_model(str(folder), choose_device(config.engine.device))
        tokens = min(_CHECK_TOKENS, load_manifest(folder).context_length)
        finding = check_generation(
            _eager(config, tokens), model, starter_of(EngineKind.VLLM)
        )
        printed.seek(0)
        output = printed.read().decode("utf-8", errors="replace")
    return _result_of(finding, output)


def _eager(config: Config, tokens: int) -> Config:
    """Return settings for a quick start; a few tokens show that the weights load."""
    engine = replace(config.engine, enforce_eager=True, max_model_len=tokens)
    completion = CompletionConfig(
        max_line_tokens=_CHECK_OUTPUT_TOKENS,
        max_block_tokens=_CHECK_OUTPUT_TOKENS,
    )
    return replace(config, engine=engine, completion=completion)


def _result_of(finding: Finding, output: str) -> str:
    """Return what the check found.

    Raises:
        QuantizeError: The model could not be loaded, or generated nothing.
    """
    if finding.level is Level.FAILURE:
        last = output.splitlines()[-_SHOWN_LINES:]
        sys.stderr.write("".join(f"{line}\n" for line in last))
        raise QuantizeError(
            f"vLLM cannot run the result: {finding.what}",
            subject=finding.name,
            remedy=finding.remedy or "Run `midfill doctor`",
        )
    return finding.what


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """Turn SIGTERM into KeyboardInterrupt, so that it cleans up as Ctrl+C does."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
