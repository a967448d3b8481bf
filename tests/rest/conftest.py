"""What tests of the REST API share."""

import sys
from functools import partial
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "servers"))

from rest_server import TOKENIZER, Serve, serving

from lsp_server.prompt.tokenizer import FastTokenizer
from lsp_server.service.overload import LoopLag


@pytest.fixture(autouse=True)
def _keeps_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse nothing because this machine is busy: what is asked here is no load."""
    monkeypatch.setattr(LoopLag, "refuses", lambda _lag: False)


@pytest.fixture
def serve(tmp_path: Path) -> Serve:
    """Return what serves the REST API with a scripted engine."""
    return partial(serving, tmp_path)


@pytest.fixture(scope="session")
def tokenizer() -> FastTokenizer:
    """The shipped model's tokenizer."""
    return TOKENIZER
