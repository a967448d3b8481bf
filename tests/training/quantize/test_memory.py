"""What will not fit is refused before it begins."""

from pathlib import Path

import pytest

from lsp_server.errors import QuantizeError
from training.quantize.memory import needed_bytes, require_memory
from training.quantize.source import read_source
from training.quantize.tool import AUTO_GPTQ

GIB = 1 << 30


def test_comparing_holds_the_model_twice(tiny_source: Path) -> None:
    """Two models in float32, logits of a sample four times, and the libraries."""
    source = read_source(tiny_source, AUTO_GPTQ)
    expected = GIB + 2 * 4 * source.parameters + 4 * 200 * 264 * 4
    assert expected == needed_bytes(source, samples=1, sample_tokens=200)


def test_many_samples_count(tiny_source: Path) -> None:
    """The states of all samples lie in memory while a layer is quantised."""
    source = read_source(tiny_source, AUTO_GPTQ)
    states = 2 * 10_000 * 200 * 64 * 4
    expected = GIB + 4 * source.parameters + states + 4 * 128**2 * 4
    assert expected == needed_bytes(source, samples=10_000, sample_tokens=200)


def test_what_does_not_fit_is_refused(tiny_source: Path) -> None:
    """The need and what is free are told."""
    source = read_source(tiny_source, AUTO_GPTQ)
    needed = needed_bytes(source, samples=1, sample_tokens=1)
    require_memory(source, samples=1, sample_tokens=1, available_bytes=needed)
    with pytest.raises(QuantizeError, match=r"about 2 GiB of memory, and 1\.0 GiB"):
        require_memory(source, samples=1, sample_tokens=1, available_bytes=needed - 1)
