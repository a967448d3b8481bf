"""A source becomes a verified folder, or nothing changes."""

import errno
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias

import pytest

from lsp_server.errors import MidfillError, QuantizeError, UnsupportedModelError
from lsp_server.modelstore.compatibility import check_quantisation
from lsp_server.modelstore.manifest import load_manifest
from lsp_server.modelstore.verify import verify
from training.quantize.pipeline import LoadCheck, Options, Result, quantise

if TYPE_CHECKING:
    from training.quantize.backend import Comparison, Quantizer
    from training.quantize.calibration import Sample

Raw: TypeAlias = dict[str, object]
EditJson: TypeAlias = Callable[[Path, Callable[[Raw], object]], None]


class SimpleQuantizer(Protocol):
    """The round-to-nearest quantiser of these tests."""

    tool: str
    comparison: "Comparison"
    seen: "tuple[Sample, ...]"
    held_out: "tuple[Sample, ...]"

    def quantise(
        self,
        source: Path,
        weights: Path,
        *,
        group_size: int,
        samples: "Sequence[Sample]",
        work: Path,
    ) -> None: ...

    def compare(
        self,
        source: Path,
        weights: Path,
        *,
        group_size: int,
        samples: "Sequence[Sample]",
        work: Path,
    ) -> "Comparison": ...


@pytest.fixture
def options(tiny_source: Path, python_files: Path, tmp_path: Path) -> Options:
    """Return options that can be carried out."""
    home = tmp_path / "home"
    home.mkdir()
    return Options(
        source=tiny_source,
        output=home / "tiny-gptq",
        family="midfill",
        group_size=32,
        calibration=python_files,
        samples=6,
        sample_tokens=200,
        held_out_samples=3,
        licence="Apache-2.0",
        training="none",
    )


class Listener:
    """Keeps what is said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str, /) -> None:
        self.lines.append(line)

    def step(self, work: str, done: int, total: int) -> None:
        self.lines.append(f"{work}: {done} of {total}")

    def close(self) -> None:
        """Nothing is open."""


def run(
    options: Options, quantizer: "Quantizer", prove: LoadCheck | None = None
) -> Result:
    """Quantise without showing progress."""
    return quantise(options, quantizer=quantizer, load_check=prove, progress=Listener())


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


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda o: replace(o, source=o.source / "missing"), QuantizeError, "missing"),
        (lambda o: replace(o, group_size=128), QuantizeError, "groups of 128"),
        (lambda o: replace(o, bits=8), QuantizeError, "8 bits are not .* --bits 4"),
        (
            lambda o: replace(o, calibration=o.source / "none"),
            QuantizeError,
            "the calibration text is missing",
        ),
        (
            lambda o: replace(o, samples=10**12),
            QuantizeError,
            "need about [0-9]+ GiB of memory",
        ),
        (lambda o: replace(o, family="unknown"), UnsupportedModelError, "'unknown'"),
        (
            lambda o: replace(o, family="starcoder2"),
            UnsupportedModelError,
            "<fim_prefix>",
        ),
        (
            lambda o: replace(o, calibration=o.source),
            QuantizeError,
            "0 usable source texts",
        ),
        (
            lambda o: replace(o, output=o.source),
            QuantizeError,
            "the output is not an empty folder",
        ),
        (
            lambda o: replace(o, output=o.source / "config.json"),
            QuantizeError,
            "config.json: the output is not",
        ),
        (
            lambda o: replace(o, output=o.output / "deeper" / "still"),
            QuantizeError,
            "parent folder is missing",
        ),
    ],
)
def test_refuses_orders_that_cannot_be_carried_out(
    options: Options,
    quantizer: SimpleQuantizer,
    change: Callable[[Options], Options],
    error: type[MidfillError],
    message: str,
) -> None:
    """Each is named before the quantiser starts, and nothing is written."""
    before = sorted(options.source.rglob("*"))
    with pytest.raises(error, match=message):
        run(change(options), quantizer)
    assert () == quantizer.seen
    assert [] == list(options.output.parent.iterdir())
    assert before == sorted(options.source.rglob("*"))


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
