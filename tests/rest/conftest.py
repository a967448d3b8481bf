"""What tests of the REST API share."""

import sys
from functools import partial
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "servers"))

from rest_server import TOKENIZER, Serve, serving

from lsp_server.prompt.tokenizer import FastTokenizer


@pytest.fixture
def serve(tmp_path: Path) -> Serve:
    """Return what serves the REST API with a scripted engine."""
    return partial(serving, tmp_path)


@pytest.fixture(scope="session")
def tokenizer() -> FastTokenizer:
    """The shipped model's tokenizer."""
    return TOKENIZER
