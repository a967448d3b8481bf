"""Orders that cannot be carried out are refused before anything is written."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from quantised import SimpleQuantizer, run

from lsp_server.errors import MidfillError, QuantizeError, UnsupportedModelError
from training.quantize.pipeline import Options


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
