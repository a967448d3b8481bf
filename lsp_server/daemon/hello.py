"""The first line on a connection to the daemon, and the daemon's answer to it.

Both are one line of JSON. What follows for an editor are LSP's frames, which may come
before the answer does.
"""

import enum
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from lsp_server import __version__
from lsp_server.errors import DaemonError
from lsp_server.raw_settings import VARIABLE_PREFIX, config_path

__all__ = [
    "HELLO_TIMEOUT_S",
    "MAX_HELLO_BYTES",
    "Answer",
    "Hello",
    "Origin",
    "Purpose",
]

MAX_HELLO_BYTES = 64 * 1024
HELLO_TIMEOUT_S = 5.0

_REMEDY = "End the other one with `midfill daemon stop`"


class Purpose(enum.Enum):
    """What a client connects for."""

    EDITOR = "editor"
    STATUS = "status"
    STOP = "stop"
    RESTART = "restart"


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where an editor's server was started, and what is configured there.

    Attributes:
        folder: Its working folder, which relative paths start from.
        config_file: The user's TOML file; empty for none.
        model: The model that its command line names; empty for none.
        environment: Its environment variables of Midfill.
    """

    folder: str = ""
    config_file: str = ""
    model: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of_process(
        cls,
        environment: Mapping[str, str],
        *,
        config_file: Path | None = None,
        model: str | None = None,
    ) -> "Origin":
        """Describe this process.

        Args:
            environment: Its environment.
            config_file: The file that its command line names.
            model: The model that its command line names.
        """
        try:
            folder = str(Path.cwd())
        except OSError:
            # It was removed.
            folder = ""
        path = config_file or config_path()
        return cls(
            folder=folder,
            config_file=str(Path(folder, path)) if path else "",
            model=model or "",
            environment={
                name: value
                for name, value in environment.items()
                if name.startswith(VARIABLE_PREFIX)
            },
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello:
    """What a client says first.

    Attributes:
        purpose: What it connects for.
        token: The daemon's token; empty on a Unix socket.
        origin: Where an editor's server was started.
        version: The client's version.
    """

    purpose: Purpose
    token: str = ""
    origin: Origin = field(default_factory=Origin)
    version: str = __version__

    def line(self) -> bytes:
        """Return the line to send.

        Raises:
            DaemonError: It is too long.
        """
        values = {
            "midfill": self.version,
            "purpose": self.purpose.value,
            "token": self.token,
            "origin": asdict(self.origin),
        }
        # The ASCII of JSON keeps what of the environment is not UTF-8.
        line = json.dumps(values).encode() + b"\n"
        if len(line) > MAX_HELLO_BYTES:
            raise DaemonError(
                f"they take {len(line)} bytes of at most {MAX_HELLO_BYTES}",
                subject=f"the environment variables {VARIABLE_PREFIX}*",
                remedy="Put what is long into the configuration file",
            )
        return line

    @classmethod
    def read(cls, line: bytes) -> "Hello":
        """Read a line.

        Raises:
            DaemonError: It is no hello, or one of another version.
        """
        values = _object(line)
        version = values.get("midfill")
        if version != __version__:
            raise DaemonError(
                f"it is of version {version}, and the daemon of {__version__}",
                subject="the client",
                remedy=_REMEDY,
            )
        try:
            return cls(
                purpose=Purpose(values["purpose"]),
                token=str(values["token"]),
                origin=_origin(values["origin"]),
            )
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            raise _malformed() from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the daemon answers.

    Attributes:
        refusal: Why the client is not served; empty where it is.
        values: What was asked for.
    """

    refusal: str = ""
    values: Mapping[str, object] = field(default_factory=dict)

    def line(self) -> bytes:
        """Return the line to send."""
        return json.dumps({"refusal": self.refusal, **self.values}).encode() + b"\n"

    @classmethod
    def read(cls, line: bytes) -> "Answer":
        """Read a line.

        Raises:
            DaemonError: It is no answer.
        """
        values = _object(line)
        return cls(refusal=str(values.pop("refusal", "")), values=values)


def _object(line: bytes) -> dict[str, object]:
    """Read a line that holds an object.

    Raises:
        DaemonError: It does not.
    """
    try:
        values = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise _malformed() from error
    if not isinstance(values, dict):
        raise _malformed()
    return values


def _origin(values: object) -> Origin:
    """Read where an editor's server was started.

    Raises:
        TypeError: It is not that.
        KeyError: Something is missing.
    """
    if not isinstance(values, Mapping):
        raise TypeError("origin")
    environment = values["environment"]
    if not isinstance(environment, Mapping):
        raise TypeError("environment")
    return Origin(
        folder=str(values["folder"]),
        config_file=str(values["config_file"]),
        model=str(values["model"]),
        environment={str(name): str(value) for name, value in environment.items()},
    )


def _malformed() -> DaemonError:
    """Make the error about a line that is none of ours."""
    return DaemonError(
        "the first line cannot be understood",
        subject="the daemon's connection",
        remedy=_REMEDY,
    )
