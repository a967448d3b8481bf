"""A source becomes a verified folder, or nothing changes."""

import errno
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import pytest
from quantised import Listener, SimpleQuantizer, run

from lsp_server.errors import QuantizeError
from lsp_server.modelstore.compatibility import check_quantisation
from lsp_server.modelstore.manifest import load_manifest
from lsp_server.modelstore.verify import verify
from training.quantize.pipeline import Options, quantise

if TYPE_CHECKING:
    from training.quantize.backend import Comparison
    from training.quantize.calibration import Sample

Raw: TypeAlias = dict[str, object]
EditJson: TypeAlias = Callable[[Path, Callable[[Raw], object]], None]


def test_makes_a_folder_that_passes_every_check(
    options: Options, quantizer: SimpleQuantizer
) -> None:
    """The result loads, verifies, runs on both devices, and says what it is."""
    result = run(options, quantizer)
    manifest = load_manifest(options.output)
    assert result.manifest == manifest
    verify(options.output, manifest)
    check_quantisation(options.output, manifest, device="cpu")
    check_quantisation(options.output, manifest, device="cuda")
    assert "tiny-gptq" == manifest.name
    assert "midfill" == manifest.family
    assert 256 == manifest.context_length
    assert "Apache-2.0" == manifest.licence
    assert "tiny-f16" == manifest.provenance.source
    assert "6 fill-in-the-middle samples" in manifest.provenance.calibration
    assert manifest.quantisation is not None
    assert "round to nearest" == manifest.quantisation.tool
    assert ["tiny-gptq"] == [path.name for path in options.output.parent.iterdir()]
    assert os.access(options.output / "model.safetensors", os.R_OK)
    assert 0o644 == (options.output / "model.safetensors").stat().st_mode & 0o777


def test_an_empty_output_folder_will_do(
    options: Options, quantizer: SimpleQuantizer
) -> None:
    """A folder that the user made beforehand is filled."""
    options.output.mkdir()
    run(options, quantizer)
    assert (options.output / "manifest.json").is_file()


def test_judges_by_text_that_the_quantiser_never_saw(
    options: Options, quantizer: SimpleQuantizer
) -> None:
    """Calibration and comparison share no sample, and have the ordered sizes."""
    run(options, quantizer)
    assert 6 == len(quantizer.seen)
    assert 3 == len(quantizer.held_out)
    assert not set(quantizer.seen) & set(quantizer.held_out)


def test_samples_fit_into_a_short_context(
    options: Options, quantizer: SimpleQuantizer
) -> None:
    """A model of 256 tokens is not calibrated with 512."""
    longer = replace(options, sample_tokens=512)
    run(longer, quantizer)
    assert max(len(sample.token_ids) for sample in quantizer.seen) <= 256


def test_reports_each_step(options: Options, quantizer: SimpleQuantizer) -> None:
    """The comparison is among what a person reads."""
    said = Listener()
    quantise(options, quantizer=quantizer, load_check=None, progress=said)
    assert str(quantizer.comparison) in said.lines


def test_the_result_is_proven_before_it_is_there(
    options: Options, quantizer: SimpleQuantizer
) -> None:
    """A whole folder is loaded before the output is there; its report is shown."""
    seen: list[bool] = []

    def prove(folder: Path) -> str:
        verify(folder, load_manifest(folder))
        seen.append(options.output.exists())
        return "it speaks"

    said = Listener()
    quantise(options, quantizer=quantizer, load_check=prove, progress=said)
    assert [False] == seen
    assert "it speaks" in said.lines


def test_what_cannot_be_loaded_is_not_kept(
    options: Options, quantizer: SimpleQuantizer
) -> None:
    """A model that vLLM refuses is none."""

    def refuse(_folder: Path) -> str:
        raise QuantizeError("no kernel", subject="vllm", remedy="none")

    with pytest.raises(QuantizeError, match="no kernel"):
        run(options, quantizer, refuse)
    assert [] == list(options.output.parent.iterdir())


class Failing:
    """A quantiser to which something happens."""

    tool = "failing"

    def __init__(self, inner: SimpleQuantizer, fault: BaseException) -> None:
        self._inner = inner
        self._fault = fault

    def quantise(
        self,
        source: Path,
        weights: Path,
        *,
        group_size: int,
        samples: "Sequence[Sample]",
        work: Path,
    ) -> None:
        """Write everything, then fail."""
        self._inner.quantise(
            source, weights, group_size=group_size, samples=samples, work=work
        )
        raise self._fault

    def compare(
        self,
        source: Path,
        weights: Path,
        *,
        group_size: int,
        samples: "Sequence[Sample]",
        work: Path,
    ) -> "Comparison":
        """Compare, though nothing gets here."""
        return self._inner.compare(
            source, weights, group_size=group_size, samples=samples, work=work
        )


@pytest.mark.parametrize(
    ("fault", "error", "message"),
    [
        (
            OSError(errno.ENOSPC, "No space left on device", "/x/model.safetensors"),
            QuantizeError,
            "/x/model.safetensors: .*No space left.* Free space on that disk",
        ),
        (OSError(errno.EROFS, "Read-only file system"), QuantizeError, "be written to"),
        (QuantizeError("a", subject="b", remedy="c"), QuantizeError, "b: a. C."),
        (KeyboardInterrupt("stop"), KeyboardInterrupt, "stop"),
    ],
    ids=["disk full", "read only", "worker", "interrupt"],
)
def test_a_failure_leaves_nothing_behind(
    options: Options,
    quantizer: SimpleQuantizer,
    fault: BaseException,
    error: type[BaseException],
    message: str,
) -> None:
    """Disk full, a dead worker, Ctrl+C: an error to read, and no half of a model."""
    with pytest.raises(error, match=message):
        run(options, Failing(quantizer, fault))
    assert [] == list(options.output.parent.iterdir())


def test_a_model_that_got_much_worse_is_not_kept(
    options: Options, quantizer: SimpleQuantizer
) -> None:
    """The comparison decides before the folder is put in its place."""
    quantizer.comparison = replace(quantizer.comparison, perplexity=1000)
    with pytest.raises(QuantizeError, match="much worse"):
        run(options, quantizer)
    assert [] == list(options.output.parent.iterdir())


def test_an_already_quantised_model_is_refused(
    options: Options, quantizer: SimpleQuantizer
) -> None:
    """The result of one run is no source for another."""
    run(options, quantizer)
    again = replace(
        options, source=options.output, output=options.output.with_name("again")
    )
    with pytest.raises(QuantizeError, match="already quantised"):
        run(again, quantizer)
