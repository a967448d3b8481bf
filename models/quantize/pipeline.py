"""Takes a 16-bit checkpoint to a verified model folder, or leaves nothing behind."""

import datetime
import errno
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lsp_server.errors import QuantizeError
from lsp_server.prompt.families import find_family
from lsp_server.prompt.fast_tokenizer import FastTokenizer
from models.manifest import (
    Manifest,
    Provenance,
    Quantisation,
    check_quantisation,
    describe_files,
    verify,
    write_manifest,
)
from models.quantize.backend import BITS, Quantizer
from models.quantize.calibration import Sample, make_samples
from models.quantize.corpus import Corpus, read_corpus
from models.quantize.export import write_model_files, write_source_view
from models.quantize.process import Progress
from models.quantize.source import Source, check_group_size, read_source
from models.quantize.verify import Comparison, check_comparison, check_structure

__all__ = ["Order", "Result", "check_order", "quantise"]

WEIGHTS_NAME = "model.safetensors"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be made of what.

    Attributes:
        source: Folder of the 16-bit checkpoint.
        output: Folder of the model; new or empty.
        family: The FIM family that the model was trained in.
        group_size: Weights that share a scale.
        calibration: Folder of Python source; None takes the standard library.
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


def check_order(order: Order) -> Source:
    """Find out, without any work, whether the order can be carried out.

    Raises:
        QuantizeError: The source, the group size or the output folder will not do.
        ModelError: The source is damaged.
    """
    source = read_source(order.source)
    check_group_size(source, order.group_size)
    output = order.output
    if output.exists() and not (output.is_dir() and not any(output.iterdir())):
        raise QuantizeError(
            "the output is not an empty folder",
            subject=str(output),
            remedy="Name a new one: vLLM would read the weights of both checkpoints",
        )
    if not output.resolve().parent.is_dir():
        raise QuantizeError(
            "the output's parent folder is missing",
            subject=str(output),
            remedy="Create it first",
        )
    return source


def quantise(order: Order, *, quantizer: Quantizer, progress: Progress) -> Result:
    """Quantise, verify, and put the finished folder in its place.

    Everything is written into a temporary folder beside the output, which is renamed
    at the end; on an error, or when interrupted, it is removed.

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
            sample_tokens=min(order.sample_tokens, source.context_length),
            seed=order.seed,
        )

    with _unfinished(order.output) as folder:
        model, work, view = folder / "model", folder / "work", folder / "source"
        model.mkdir()
        work.mkdir()
        write_source_view(source, view)
        weights = model / WEIGHTS_NAME
        seen = samples(corpus.calibration, order.samples)
        progress(f"calibrating with {sum(len(s.token_ids) for s in seen)} tokens")
        quantizer.quantise(
            view, weights, group_size=order.group_size, samples=seen, work=work
        )
        check_structure(source, weights, group_size=order.group_size)
        progress("comparing with the source on text that was held out")
        comparison = quantizer.compare(
            view,
            weights,
            group_size=order.group_size,
            samples=samples(corpus.held_out, order.held_out_samples),
            work=work,
        )
        progress(str(comparison))
        check_comparison(comparison, source=source)
        write_model_files(source, model, group_size=order.group_size)
        weights.chmod(0o644)
        manifest = _describe(order, source, corpus, model, tool=quantizer.tool)
        write_manifest(model, manifest)
        verify(model, manifest)
        check_quantisation(model, manifest, device="cpu")
        model.rename(order.output.resolve())
    return Result(manifest=manifest, comparison=comparison)


@contextmanager
def _unfinished(output: Path) -> Iterator[Path]:
    """Give a temporary folder beside ``output``, and remove it in every case."""
    beside = output.resolve()
    folder: Path | None = None
    try:
        folder = Path(
            tempfile.mkdtemp(prefix=f".{beside.name}.unfinished-", dir=beside.parent)
        )
        yield folder
    except OSError as exc:
        full = exc.errno in {errno.ENOSPC, errno.EDQUOT}
        raise QuantizeError(
            f"the model cannot be written ({exc.strerror})",
            subject=str(exc.filename or beside.parent),
            remedy="Free space on that disk and run this again"
            if full
            else "Check that the folder may be written to",
        ) from exc
    finally:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)


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
