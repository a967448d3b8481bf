"""Settings as their places hold them, read without a check and without a library.

`midfill serve` has to know whether it attaches to the daemon before it loads anything
that takes time. What it reads here, `setting_layers` and `settings` read again, and
report what is wrong.
"""

import enum
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from lsp_server.errors import ConfigError
from lsp_server.operating_system import open_regular, reason_of, user_folder

__all__ = [
    "VARIABLE_PREFIX",
    "DaemonMode",
    "config_path",
    "daemon_mode",
    "editor_values",
    "own_value",
    "raw_values",
    "snake_case",
    "toml_values",
    "without_dots",
]

VARIABLE_PREFIX = "MIDFILL_"
"""What the names of Midfill's environment variables begin with."""

_MOST_FILE_BYTES = 1 << 20

_REMEDIES: Mapping[type[OSError], str] = MappingProxyType(
    {
        FileNotFoundError: "Create it, or name another file",
        PermissionError: "Let this user read it, or name another file",
    }
)


class DaemonMode(enum.Enum):
    """Whether `midfill serve --stdio` attaches to the daemon or has its own engine."""

    AUTO = "auto"
    NEVER = "never"
    REQUIRE = "require"


def daemon_mode(config_file: Path | None, options: object = None) -> DaemonMode:
    """Return ``daemon.mode``, the strongest place first; a bad value counts as none.

    Args:
        config_file: The file that the command line names.
        options: The editor's ``initializationOptions``.
    """
    for value in raw_values("daemon", "mode", config_file, options):
        for mode in DaemonMode:
            if value == mode.value:
                return mode
    return DaemonMode.AUTO


def raw_values(
    section: str, key: str, config_file: Path | None, options: object = None
) -> Iterator[object]:
    """Yield a setting's value in each place, the strongest place first."""
    yield _value_in(editor_values(options), section, key)
    text = os.environ.get(f"{VARIABLE_PREFIX}{section}_{key}".upper(), "")
    yield text.strip().strip("\"'")
    path = config_file or config_path()
    if path is not None:
        try:
            yield _value_in(toml_values(path), section, key)
        except ConfigError:
            return


def own_value(section: str, key: str, config_file: Path | None) -> object:
    """Return a setting's value in the environment or the file; empty where in neither.

    An editor's options are not asked: a workspace may have written them.
    """
    return next((each for each in raw_values(section, key, config_file) if each), "")


def config_path() -> Path | None:
    """Find the user's TOML file: ``MIDFILL_CONFIG``, else the XDG folder's, else none.

    A file that ``MIDFILL_CONFIG`` names is returned even if it does not exist, and so
    is one in a folder that may not be read: reading it reports that to the user.
    """
    named = os.environ.get("MIDFILL_CONFIG")
    if named:
        return Path(named)
    folder = user_folder("config")
    if folder is None:
        return None
    default = folder / "config.toml"
    try:
        return default if default.is_file() else None
    except OSError:
        return default


def toml_values(path: Path) -> Mapping[str, object]:
    """Read a TOML file.

    Raises:
        ConfigError: It cannot be read, is too large, or is not TOML.
    """
    import tomllib  # noqa: PLC0415 - five milliseconds, and most users have no file

    correct = "Correct it there; until then the whole file is ignored"
    try:
        with open_regular(path) as file:
            content = file.read(_MOST_FILE_BYTES + 1)
        if len(content) <= _MOST_FILE_BYTES:
            # Editors on Windows begin a file with a byte order mark.
            return tomllib.loads(content.decode("utf-8-sig"))
        what = f"the configuration file is larger than {_MOST_FILE_BYTES:,} bytes"
    except OSError as error:
        what = f"the configuration file cannot be read ({reason_of(error)})"
        correct = _REMEDIES.get(type(error), "Name another file")
    except UnicodeDecodeError as error:
        what = f"the configuration file is not UTF-8 (byte {error.start})"
    # A number of thousands of digits is a ValueError, too.
    except ValueError as error:
        what = f"the configuration file is not TOML ({error})"
    except RecursionError:
        what = "the configuration file is nested too deeply"
    raise ConfigError(what, subject=str(path), remedy=correct)


def editor_values(options: object) -> object:
    """Return what an editor sent for this server, without ``midfill`` around it.

    Keys that are joined by dots are taken apart one level deep. What is no object of
    settings is returned as it is.
    """
    if isinstance(options, Mapping):
        options = without_dots(options)
        options = options.get("midfill", options)
    return without_dots(options) if isinstance(options, Mapping) else options


def snake_case(name: str) -> str:
    """Turn a name in camel case into snake case."""
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name)


def without_dots(values: Mapping[str, object]) -> dict[str, object]:
    """Turn ``{"log.level": x}`` into ``{"log": {"level": x}}``.

    Where a section is there in both ways, its keys are joined, the later over the
    earlier.
    """
    result: dict[str, object] = {}
    for key, value in values.items():
        first, dot, rest = str(key).partition(".")
        added = without_dots({rest: value}) if dot else value
        held = result.get(first)
        if isinstance(held, Mapping) and isinstance(added, Mapping):
            added = {**held, **added}
        result[first] = added
    return result


def _value_in(values: object, section: str, key: str) -> object:
    """Return a value in an object of sections; None where there is none."""
    for name in (section, key):
        if not isinstance(values, Mapping):
            return None
        values = {snake_case(str(each)): value for each, value in values.items()}.get(
            name
        )
    return values
