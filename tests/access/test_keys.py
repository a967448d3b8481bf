"""Keys are recognised, and their lines are read again as they were written."""

import json
import re
from collections.abc import Callable

import pytest

from lsp_server.access.keys import Route, StoredKey, new_secret, parse_line
from lsp_server.config import SHIPPED_MODEL
from lsp_server.errors import KeyFileError

MakeKey = Callable[..., tuple[str, StoredKey]]


def test_a_key_says_what_it_is_and_has_256_bits() -> None:
    """The prefix is for people and secret scanners; no two keys are the same."""
    keys = {new_secret() for _ in range(100)}

    assert 100 == len(keys)
    assert all(re.fullmatch("midfill_[0-9a-f]{64}", key) for key in keys)


def test_a_line_holds_all_of_a_key_but_the_key(make_key: MakeKey) -> None:
    """Writing and reading a line loses nothing, and the secret is not in it."""
    secret, stored = make_key(
        name="Ada's editor".replace("'", ""),
        requests_per_s=2.5,
        burst=9,
        concurrent=3,
        tokens_per_day=10_000,
        models=(SHIPPED_MODEL,),
        routes=(Route.LSP, Route.INFILL),
        raw=True,
        revoked="2026-11-29",
    )

    assert stored == parse_line(stored.line, subject="")
    assert secret.removeprefix("midfill_") not in stored.line


def test_each_key_has_a_salt_that_lasts(make_key: MakeKey) -> None:
    """Tenants share no prefix cache, and a restart costs none (fault 34)."""
    (_, ada), (_, bob) = make_key(), make_key()
    again = parse_line(ada.line, subject="")

    assert ada.key.cache_salt == again.key.cache_salt
    assert ada.key.cache_salt != bob.key.cache_salt
    assert ada.key.cache_salt not in ada.line
    assert 32 == len(ada.key.cache_salt)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"sha256": "SECRET"}, "sha256"),
        ({"id": "SECRET"}, "id"),
        ({"requests_per_s": -1}, "requests_per_s"),
        ({"requests_per_s": "2"}, "requests_per_s"),
        ({"burst": 1.5}, "burst"),
        ({"routes": ["SECRET"]}, "routes"),
        ({"name": "two\nlines"}, "name"),
        ({"name": ""}, "name"),
        ({"SECRET": 1}, "unknown fields"),
    ],
)
def test_a_broken_line_is_named_without_its_content(
    make_key: MakeKey, change: dict[str, object], named: str
) -> None:
    """The message names the field; what stands there may be a key put in wrongly."""
    _, stored = make_key()
    line = json.dumps(json.loads(stored.line) | change)

    with pytest.raises(KeyFileError, match=named) as caught:
        parse_line(line, subject="line 3")

    assert "SECRET" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


@pytest.mark.parametrize("line", ["", "{", "[]", "null", "midfill_0123", '{"id": 1'])
def test_what_is_no_object_is_broken(line: str) -> None:
    """Anything but a JSON object is refused, also a key that was pasted there."""
    with pytest.raises(KeyFileError) as caught:
        parse_line(line, subject="line 1")

    assert "midfill_0123" not in str(caught.value)
