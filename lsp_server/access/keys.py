"""API keys: how they look, what they allow, and the line of a file that holds one.

A key is shown once, when it is made. What is stored is its SHA-256 digest: a key has
256 random bits, so nothing slower than a plain hash is needed against guessing.
"""

import enum
import hashlib
import hmac
import json
import math
import secrets
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Annotated, ClassVar

from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, ValidationError

from lsp_server.errors import KeyFileError

__all__ = [
    "KEY_PREFIX",
    "NO_KEY",
    "Key",
    "KeyLimits",
    "Route",
    "StoredKey",
    "digest_of",
    "new_key_id",
    "new_secret",
    "parse_line",
    "time_text",
]

KEY_PREFIX = "midfill_"
"""What every key begins with, so that people and secret scanners recognise it."""

_SECRET_BYTES = 32
_MOST = 1_000_000_000
_TIME = "%Y-%m-%dT%H:%M:%SZ"


class Route(enum.Enum):
    """What a client can use, for keys, logs and metrics: a closed list of names."""

    COMPLETIONS = "completions"
    CHAT = "chat"
    INFILL = "infill"
    MODELS = "models"
    LSP = "lsp"
    METRICS = "metrics"
    READY = "ready"
    HEALTH = "health"
    DOCS = "docs"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyLimits:
    """How much a key may use; 0 is no limit.

    Attributes:
        requests_per_s: Requests per second, over a longer time.
        burst: Requests that may come at once; 0 for those of two seconds.
        concurrent: Requests that are worked on side by side.
        tokens_per_day: Tokens of prompts and answers within 24 hours.
    """

    requests_per_s: float = 0.0
    burst: int = 0
    concurrent: int = 0
    tokens_per_day: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """What is known of a client by the key it sent; holds no secret of the key itself.

    Attributes:
        key_id: Its id, for logs and `revoke`; not secret.
        name: What its owner calls it.
        limits: How much it may use.
        models: Names of the models that it may use; empty for all.
        routes: What it may use; empty for all.
        raw: Whether its prompts are rendered already, with sentinels as sentinels.
        cache_salt: Only requests of the same salt share the engine's prefix cache;
            secret, and the same for the key's whole life.
    """

    key_id: str
    name: str
    limits: KeyLimits = KeyLimits()
    models: tuple[str, ...] = ()
    routes: tuple[Route, ...] = ()
    raw: bool = False
    cache_salt: str = ""


NO_KEY = Key(key_id="none", name="")
"""Stands for every client of a server that needs no keys; it may use everything."""


def time_text(seconds: float) -> str:
    """Return a time of the wall clock, in seconds, as lines of a key file spell it."""
    return datetime.fromtimestamp(seconds, UTC).strftime(_TIME)


def _seconds_of(text: str) -> float:
    """Return what `time_text` spelt.

    Raises:
        ValueError: This is no time.
    """
    return datetime.strptime(text, _TIME).replace(tzinfo=UTC).timestamp()


def _time_or_empty(text: str) -> str:
    """Check that a time can be read, if there is one."""
    if text:
        _seconds_of(text)
    return text


_Time = Annotated[str, AfterValidator(_time_or_empty)]
_Limit = Annotated[int, Field(ge=0, le=_MOST)]
_Name = Annotated[str, Field(pattern=r"^\w[\w .@+:/-]{0,63}$")]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredKey:
    """One line of a key file.

    Attributes:
        id: The key's id.
        name: What its owner calls it.
        sha256: The digest of the key, in hexadecimal.
        created: When it was made, for people.
        revoked: When it was revoked, for people; empty while it holds.
        expires: When it ceases to hold, as `time_text` spells it; empty for never.
        requests_per_s: See `KeyLimits`.
        burst: See `KeyLimits`.
        concurrent: See `KeyLimits`.
        tokens_per_day: See `KeyLimits`.
        models: See `Key`.
        routes: See `Key`.
        raw: See `Key`.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", strict=True)

    id: Annotated[str, Field(pattern=r"^k_[0-9a-f]{8}$")]
    name: _Name
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    created: Annotated[str, Field(max_length=40)] = ""
    revoked: Annotated[str, Field(max_length=40)] = ""
    expires: _Time = ""
    requests_per_s: Annotated[float, Field(ge=0, le=_MOST, allow_inf_nan=False)] = 0.0
    burst: _Limit = 0
    concurrent: _Limit = 0
    tokens_per_day: _Limit = 0
    models: tuple[str, ...] = ()
    routes: tuple[Route, ...] = ()
    raw: bool = False

    @property
    def digest(self) -> bytes:
        """The SHA-256 digest of the key, 32 bytes."""
        return bytes.fromhex(self.sha256)

    @property
    def ends_s(self) -> float:
        """From when on it holds no longer, in seconds of the wall clock."""
        if self.revoked:
            return -math.inf
        return _seconds_of(self.expires) if self.expires else math.inf

    @property
    def key(self) -> Key:
        """What the key allows."""
        return Key(
            key_id=self.id,
            name=self.name,
            limits=KeyLimits(
                requests_per_s=self.requests_per_s,
                burst=self.burst,
                concurrent=self.concurrent,
                tokens_per_day=self.tokens_per_day,
            ),
            models=self.models,
            routes=self.routes,
            raw=self.raw,
            cache_salt=_cache_salt(self.digest),
        )

    @property
    def line(self) -> str:
        """The line of a file that `parse_line` reads, without a line end."""
        fields = asdict(self) | {"routes": [route.value for route in self.routes]}
        given = {name: value for name, value in fields.items() if value}
        return json.dumps(given, ensure_ascii=False)


_STORED = TypeAdapter(StoredKey)
_FIELDS = frozenset(StoredKey.__dataclass_fields__)


def new_secret() -> str:
    """Return a new key: the prefix and 256 random bits in hexadecimal."""
    return KEY_PREFIX + secrets.token_hex(_SECRET_BYTES)


def new_key_id() -> str:
    """Return a new id, which tells nothing about the key."""
    return f"k_{secrets.token_hex(4)}"


def digest_of(secret: str) -> bytes:
    """Return the SHA-256 digest of what a client sent, whatever that is."""
    return hashlib.sha256(secret.encode("utf-8", "backslashreplace")).digest()


def parse_line(line: str, *, subject: str) -> StoredKey:
    """Read one line of a key file.

    Args:
        line: The line.
        subject: Where it stands, for the message.

    Raises:
        KeyFileError: It is broken. The message names fields, and no content.
    """
    try:
        return _STORED.validate_json(line)
    except ValidationError as error:
        wrong = {
            str(each["loc"][0])
            for each in error.errors(include_input=False, include_url=False)
            if each["loc"]
        }
        named = ", ".join(sorted(wrong & _FIELDS))
        if named:
            what = f"these fields are missing or wrong: {named}"
        else:
            what = "it has unknown fields" if wrong else "it is not a JSON object"
    # Not chained: pydantic's message repeats the line.
    raise KeyFileError(
        what,
        subject=subject,
        remedy="correct or remove it; until then its key does not work, and others do",
    )


def _cache_salt(digest: bytes) -> str:
    """Derive a key's salt: whoever lacks the key and its file cannot compute it."""
    return hmac.new(digest, b"midfill cache salt", hashlib.sha256).hexdigest()[:32]
