"""Turns a 16-bit checkpoint into a verified model folder, or leaves nothing behind."""

import datetime
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from lsp_server.errors import QuantizeError
from lsp_server.files import WholeFolder
from lsp_server.hardware import free_memory_bytes
from lsp_server.modelstore.compatibility import check_quantisation
from lsp_server.modelstore.manifest import (
    Manifest,
    Provenance,
    Quantisation,
    write_manifest,
)
from lsp_server.modelstore.verify import describe_files, verify
from lsp_server.prompt.families import find_family
from lsp_server.prompt.tokenizer import FastTokenizer
from training.progress import Progress
from training.quantize.backend import Comparison, Quantizer
from training.quantize.calibration import (
    MIN_SAMPLE_TOKENS,
    Sample,
    make_samples,
)
from training.quantize.checkpoint import (
    check_comparison,
    check_structure,
    write_model_files,
    write_source_view,
)
from training.quantize.corpus import Corpus, read_corpus, require_calibration
from training.quantize.quantisers import AUTO_GPTQ, BITS, Tool
from training.quantize.source import (
    Source,
    check_group_size,
    read_source,
    require_memory,
)

__all__ = ["LoadCheck", "Options", "Result", "check_options", "quantise"]

WEIGHTS_NAME = "model.safetensors"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What to quantise, and how.

    Attributes:
        source: Folder of the 16-bit checkpoint.
        output: Folder of the model; new or empty.
        family: The FIM family that the model was trained with.
        group_size: Weights that share a scale.
        bits: Bits of a weight; only 4 is supported.
        tool: The quantiser; it must support the model's type.
        calibration: Source text, as `read_corpus` takes it.
        samples: Number of calibration samples.
        sample_tokens: Maximum tokens of a sample.
        held_out_samples: Number of samples for the comparison.
        seed: Seed for drawing text.
        licence: Licence of the weights, for the manifest.
        training: How the source was trained, for the manifest.
    """

    source: Path
    output: Path
    family: str
    group_size: int
    bits: int = BITS
    tool: Tool = AUTO_GPTQ
    calibration: Path | None = None
    samples: int = 64
    sample_tokens: int = 512
    held_out_samples: int = 48
    seed: int = 0
    licence: str = "not stated"
    training: str = "not stated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A quantised model.

    Attributes:
        manifest: The folder's manifest.
        comparison: How the model compares with its source.
    """

    manifest: Manifest
    comparison: Comparison


class LoadCheck(Protocol):
    """Loads a finished model folder as the server does, before it is published."""

    def __call__(self, folder: Path, /) -> str:
        """Complete a line with the model, and return a description of the result.

        Raises:
            MidfillError: The model cannot be loaded, or generates nothing.
        """
        ...


def check_options(options: Options) -> Source:
    """Check everything that can be checked before the work begins.

    Raises:
        QuantizeError: The source, bits, group size, samples, calibration text or
            output folder is unsuitable, or there is too little memory.
        ModelError: The source is damaged.
    """
    if options.bits != BITS:
        raise QuantizeError(
            f"{options.bits} bits are not offered",
            subject=str(options.source),
            remedy=f"Choose --bits {BITS}: on a CPU there are kernels for nothing else",
        )
    source = read_source(options.source, options.tool)
    if _sample_tokens(options, source) < MIN_SAMPLE_TOKENS:
        raise QuantizeError(
            f"samples of {_sample_tokens(options, source)} tokens are too short",
            subject=str(options.source),
            remedy=f"Choose --sample-tokens {MIN_SAMPLE_TOKENS} or more, and a model "
            "with room for them",
        )
    check_group_size(source, options.group_size)
    _folder(options).check()
    require_calibration(options.calibration)
    require_memory(
        source,
        samples=options.samples,
        sample_tokens=_sample_tokens(options, source),
        available_bytes=free_memory_bytes(),
    )
    return source


def quantise(
    options: Options,
    *,
    quantizer: Quantizer,
    load_check: LoadCheck | None,
    progress: Progress,
) -> Result:
    """Quantise, verify, and publish the finished folder.

    Everything is written to a temporary folder beside the output, which is renamed at
    the end and removed after an error or an interrupt.

    Args:
        options: What to quantise, and how.
        quantizer: Quantises and compares.
        load_check: Loads the result; None checks only structure and perplexity.
        progress: Shows each step.

    Raises:
        MidfillError: The options are unsuitable, or a step failed.
    """
    source = check_options(options)
    tokenizer = FastTokenizer(source.folder)
    family = find_family(options.family)
    corpus = read_corpus(options.calibration, seed=options.seed)

    def samples(texts: tuple[str, ...], count: int) -> tuple[Sample, ...]:
        return make_samples(
            texts,
            tokenizer=tokenizer,
            family=family,
            count=count,
            sample_tokens=_sample_tokens(options, source),
            seed=options.seed,
        )

    seen = samples(corpus.calibration, options.samples)
    held_out = samples(corpus.held_out, options.held_out_samples)
    whole = _folder(options)
    with whole.unfinished() as folder:
        model, work, view = folder / "model", folder / "work", folder / "source"
        model.mkdir()
        work.mkdir()
        write_source_view(source, view)
        weights = model / WEIGHTS_NAME
        progress.say(f"calibrating with {sum(len(s.token_ids) for s in seen)} tokens")
        quantizer.quantise(
            view, weights, group_size=options.group_size, samples=seen, work=work
        )
        check_structure(source, weights, group_size=options.group_size)
        progress.say("comparing with the source on text that was held out")
        comparison = quantizer.compare(
            view,
            weights,
            group_size=options.group_size,
            samples=held_out,
            work=work,
        )
        progress.say(str(comparison))
        check_comparison(comparison, source=source)
        write_model_files(source, model, group_size=options.group_size)
        weights.chmod(0o644)
        manifest = _describe(options, source, corpus, model, tool=quantizer.tool)
        write_manifest(model, manifest)
        verify(model, manifest)
        check_quantisation(model, manifest, device="cpu")
        if load_check is not None:
            progress.say("loading the result in vLLM")
            progress.say(load_check(model))
        whole.publish(model)
    return Result(manifest=manifest, comparison=comparison)


def _folder(options: Options) -> WholeFolder:
    return WholeFolder(output=options.output, holds="model", error=QuantizeError)


def _sample_tokens(options: Options, source: Source) -> int:
    return min(options.sample_tokens, source.context_length)


def _describe(
    options: Options, source: Source, corpus: Corpus, model: Path, *, tool: str
) -> Manifest:
    return Manifest(
        name=options.output.resolve().name,
        family=options.family,
        architecture=source.architecture,
        tokenizer="tokenizer.json",
        context_length=source.context_length,
        parameters=source.parameters,
        dtype=source.dtype,
        licence=options.licence,
        quantisation=Quantisation(
            method="gptq",
            bits=BITS,
            group_size=options.group_size,
            sym=True,
            desc_act=False,
            tool=tool,
        ),
        provenance=Provenance(
            source=options.source.resolve().name,
            source_sha256=source.sha256(),
            calibration=f"{options.samples} fill-in-the-middle samples of up to "
            f"{options.sample_tokens} tokens (seed {options.seed}) from "
            f"{corpus.description}",
            date=datetime.datetime.now(tz=datetime.UTC).date().isoformat(),
            training=options.training,
        ),
        files=describe_files(model),
    )
