"""Takes a 16-bit checkpoint to a verified model folder, or leaves nothing behind."""

import datetime
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import psutil

from lsp_server.errors import QuantizeError
from lsp_server.modelstore.manifest import (
    Manifest,
    Provenance,
    Quantisation,
    check_quantisation,
    describe_files,
    verify,
    write_manifest,
)
from lsp_server.modelstore.progress import Progress
from lsp_server.modelstore.whole_folder import WholeFolder
from lsp_server.prompt.families import find_family
from lsp_server.prompt.fast_tokenizer import FastTokenizer
from training.quantize.backend import Quantizer
from training.quantize.calibration import (
    LEAST_SAMPLE_TOKENS,
    Sample,
    make_samples,
)
from training.quantize.corpus import Corpus, read_corpus, require_calibration
from training.quantize.export import write_model_files, write_source_view
from training.quantize.memory import require_memory
from training.quantize.source import Source, check_group_size, read_source
from training.quantize.tool import AUTO_GPTQ, BITS, Tool
from training.quantize.verify import Comparison, check_comparison, check_structure

__all__ = ["Order", "Proof", "Result", "check_order", "quantise"]

WEIGHTS_NAME = "model.safetensors"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be made of what.

    Attributes:
        source: Folder of the 16-bit checkpoint.
        output: Folder of the model; new or empty.
        family: The FIM family that the model was trained in.
        group_size: Weights that share a scale.
        bits: Bits of a weight; there is a kernel for four.
        tool: What quantises; it must know the model's type.
        calibration: Where source text is, as `read_corpus` takes it.
        samples: Calibration samples.
        sample_tokens: Most tokens of a sample.
        held_out_samples: Samples for the comparison.
        seed: Seed of the choice of text.
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
    """What was made.

    Attributes:
        manifest: The folder's manifest.
        comparison: How the model compares with its source.
    """

    manifest: Manifest
    comparison: Comparison


class Proof(Protocol):
    """Loads a finished model folder as users will, before it is put in its place."""

    def __call__(self, folder: Path, /) -> str:
        """Generate with the model, and say in a clause how that went.

        Raises:
            MidfillError: The model cannot be loaded, or generates nothing.
        """
        ...


def check_order(order: Order) -> Source:
    """Find out, without any work, whether the order can be carried out.

    Raises:
        QuantizeError: The source, the bits, the group size, the calibration or the
            output folder will not do, or the memory is too small.
        ModelError: The source is damaged.
    """
    if order.bits != BITS:
        raise QuantizeError(
            f"{order.bits} bits are not offered",
            subject=str(order.source),
            remedy=f"Choose --bits {BITS}: on a CPU there are kernels for nothing else",
        )
    source = read_source(order.source, order.tool)
    if _sample_tokens(order, source) < LEAST_SAMPLE_TOKENS:
        raise QuantizeError(
            f"samples of {_sample_tokens(order, source)} tokens are too short",
            subject=str(order.source),
            remedy=f"Choose --sample-tokens {LEAST_SAMPLE_TOKENS} or more, and a model "
            "with room for them",
        )
    check_group_size(source, order.group_size)
    _folder(order).check()
    require_calibration(order.calibration)
    require_memory(
        source,
        samples=order.samples,
        sample_tokens=_sample_tokens(order, source),
        available_bytes=psutil.virtual_memory().available,
    )
    return source


def quantise(
    order: Order, *, quantizer: Quantizer, prove: Proof | None, progress: Progress
) -> Result:
    """Quantise, verify, and put the finished folder in its place.

    Everything is written into a temporary folder beside the output, which is renamed
    at the end; on an error, or when interrupted, it is removed.

    Args:
        order: What is to be made.
        quantizer: What does the heavy work.
        prove: Loads the result; None leaves it at structure and perplexity.
        progress: Hears how it goes.

    Raises:
        MidfillError: The order cannot be carried out, or a step failed.
    """
    source = check_order(order)
    tokenizer = FastTokenizer(source.folder)
    family = find_family(order.family)
    corpus = read_corpus(order.calibration, seed=order.seed)

    def samples(texts: tuple[str, ...], count: int) -> tuple[Sample, ...]:
        return make_samples(
            texts,
            tokenizer=tokenizer,
            family=family,
            count=count,
            sample_tokens=_sample_tokens(order, source),
            seed=order.seed,
        )

    seen = samples(corpus.calibration, order.samples)
    held_out = samples(corpus.held_out, order.held_out_samples)
    whole = _folder(order)
    with whole.unfinished() as folder:
        model, work, view = folder / "model", folder / "work", folder / "source"
        model.mkdir()
        work.mkdir()
        write_source_view(source, view)
        weights = model / WEIGHTS_NAME
        progress.say(f"calibrating with {sum(len(s.token_ids) for s in seen)} tokens")
        quantizer.quantise(
            view, weights, group_size=order.group_size, samples=seen, work=work
        )
        check_structure(source, weights, group_size=order.group_size)
        progress.say("comparing with the source on text that was held out")
        comparison = quantizer.compare(
            view,
            weights,
            group_size=order.group_size,
            samples=held_out,
            work=work,
        )
        progress.say(str(comparison))
        check_comparison(comparison, source=source)
        write_model_files(source, model, group_size=order.group_size)
        weights.chmod(0o644)
        manifest = _describe(order, source, corpus, model, tool=quantizer.tool)
        write_manifest(model, manifest)
        verify(model, manifest)
        check_quantisation(model, manifest, device="cpu")
        if prove is not None:
            progress.say("loading the result in vLLM")
            progress.say(prove(model))
        whole.publish(model)
    return Result(manifest=manifest, comparison=comparison)


def _folder(order: Order) -> WholeFolder:
    return WholeFolder(output=order.output, holds="model", error=QuantizeError)


def _sample_tokens(order: Order, source: Source) -> int:
    return min(order.sample_tokens, source.context_length)


def _describe(
    order: Order, source: Source, corpus: Corpus, model: Path, *, tool: str
) -> Manifest:
    return Manifest(
        name=order.output.resolve().name,
        family=order.family,
        architecture=source.architecture,
        tokenizer="tokenizer.json",
        context_length=source.context_length,
        parameters=source.parameters,
        dtype=source.dtype,
        licence=order.licence,
        quantisation=Quantisation(
            method="gptq",
            bits=BITS,
            group_size=order.group_size,
            sym=True,
            desc_act=False,
            tool=tool,
        ),
        provenance=Provenance(
            source=order.source.resolve().name,
            source_sha256=source.sha256(),
            calibration=f"{order.samples} fill-in-the-middle samples of up to "
            f"{order.sample_tokens} tokens (seed {order.seed}) from "
            f"{corpus.description}",
            date=datetime.datetime.now(tz=datetime.UTC).date().isoformat(),
            training=order.training,
        ),
        files=describe_files(model),
    )
