"""Keys for the tests of access."""

import dataclasses
from collections.abc import Callable

import pytest

from lsp_server.access.keys import StoredKey, digest_of, new_key_id, new_secret


@pytest.fixture
def make_key() -> Callable[..., tuple[str, StoredKey]]:
    """Return a maker of keys: what the client sends, and what is stored."""

    def make(**fields: object) -> tuple[str, StoredKey]:
        secret = new_secret()
        stored = StoredKey(id=new_key_id(), name="ada", sha256=digest_of(secret).hex())
        return secret, dataclasses.replace(stored, **fields)  # type: ignore[arg-type]  # tests name fields of theirs

    return make
