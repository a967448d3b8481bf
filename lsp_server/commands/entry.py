"""The command line: parses, runs one command, reports errors, returns the status."""

import argparse
import contextlib
import importlib
import os
import signal
import sys
import types
import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from lsp_server import __version__
from lsp_server.commands.terminal import make_streams_lenient, printable
from lsp_server.errors import ConfigError, MidfillError, UnavailableError
from lsp_server.operating_system import reason_of

__all__ = ["main"]

_COMMANDS = {
    "serve": "serve an editor: the language server",
    "daemon": "start, stop and watch the daemon, one engine for all editors",
    "complete": "print completions at places in files",
    "trace": "explain a recorded request: what was suggested, or why nothing was",
    "stats": "summarise the recorded suggestions: accepted, kept, and how fast",
    "demo": "print completions at the marked cursors of example files",
    "doctor": "check whether completion can work on this machine",
    "health": "check that the team server on this machine can complete code",
    "models": "list, compare, check and fetch models",
    "keys": "make, list and revoke API keys for a team server",
    "quantize": "make a 4-bit model folder from a 16-bit checkpoint",
    "eval": "measure models on the same completion tasks",
    "ray": "serve with several engines on a Ray cluster",
}

_ROOT = Path(__file__).resolve().parents[2]

_OF_TRAINING = frozenset({"quantize", "eval"})
"""Commands of ``training/``, which only the repository holds."""

_OF_RAY = "midfill_ray.command"
"""The command ``ray``, of a distribution of its own."""

_SERVING = frozenset({"serve", "daemon", "complete", "demo", "ray"})
"""Commands that take requests, or start a server that does."""

_ENDING = (signal.SIGTERM, signal.SIGHUP)
"""Signals that by default end a process before it can remove temporary files."""

_STATUS_OF_A_BROKEN_PIPE = 141
"""What a shell reports of a program ended by SIGPIPE: 128 and the signal's number."""

_STATUS_OF_AN_INTERRUPTION = 130
"""The same for SIGINT."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that the arguments name, and return the exit status.

    Midfill's own errors are reported in a sentence, without a traceback.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    chosen = next((word for word in words if not word.startswith("-")), "")
    name = f"midfill {chosen}" if chosen in _COMMANDS else "midfill"
    make_streams_lenient()
    try:
        return _run(words, chosen)
    except BrokenPipeError:
        # The reader has closed the pipe, as `head` does: nothing more can be written.
        _close_stdout()
        return _STATUS_OF_A_BROKEN_PIPE
    except MidfillError as error:
        sys.stderr.write(printable(f"{name}: {error}\n"))
        return 1
    except OSError as error:
        # Most often a full disk: what stdout still holds cannot be written either.
        _close_stdout()
        what = error.filename or "stdout or another file"
        sys.stderr.write(printable(f"{name}: {what}: {reason_of(error)}.\n"))
        return 1
    except KeyboardInterrupt:
        # Python would warn of a coroutine that was made and not yet run.
        warnings.simplefilter("ignore", RuntimeWarning)
        # Imported here, as no other command's start needs it.
        from lsp_server.engine.launch import end_process_if_starting  # noqa: PLC0415

        end_process_if_starting(_STATUS_OF_AN_INTERRUPTION)
        return _STATUS_OF_AN_INTERRUPTION


def _run(words: list[str], chosen: str) -> int:
    """Parse, run, and flush; what argparse prints is flushed as well."""
    try:
        with _ended_by_ctrl_c():
            options = _parser(chosen).parse_args(words)
            if options.command in _SERVING:
                _require_assertions()
            command = _module_of(options.command)
        # The server handles signals itself.
        ending = _ENDING if options.command != "serve" else ()
        with _interrupted_by(ending):
            return int(command.run(options))
    finally:
        sys.stdout.flush()


def _require_assertions() -> None:
    """Check that ``assert`` is executed, by which vLLM checks what it is sent.

    Source: CVE-2026-41523.

    Raises:
        ConfigError: Python leaves assertions out.
    """
    if sys.flags.optimize:
        raise ConfigError(
            "Python runs without assertions, on which the engine's safety depends",
            subject="python -O",
            remedy="Start it without -O, and unset PYTHONOPTIMIZE",
        )


@contextlib.contextmanager
def _ended_by_ctrl_c() -> Iterator[None]:
    """Have Ctrl-C end the process at once, without a traceback.

    For the imports, which take half a second and leave nothing to clean up.
    """
    # Where Ctrl-C is ignored, as behind a shell's `&`, it stays so.
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@contextlib.contextmanager
def _interrupted_by(numbers: Iterable[signal.Signals]) -> Iterator[None]:
    """Have signals interrupt a command as Ctrl-C does, so that it cleans up."""
    # Behind a shell's `&` Ctrl-C is ignored; there these keep their default action.
    has_ctrl_c = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    before = {
        number: signal.signal(number, _interrupt)
        for number in numbers
        # What `nohup` ignores stays ignored.
        if has_ctrl_c and signal.getsignal(number) is not signal.SIG_IGN
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(_number: int, _frame: types.FrameType | None) -> None:
    """Do what Ctrl-C does at this moment; asyncio, for one, replaces its handler."""
    signal.raise_signal(signal.SIGINT)


def _close_stdout() -> None:
    """Discard what stdout still buffers, which the interpreter flushes at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _parser(chosen: str) -> argparse.ArgumentParser:
    """Make the parser; of the commands only the chosen one is imported."""
    parser = argparse.ArgumentParser(
        prog="midfill", description="Code completion from a model of your own."
    )
    parser.add_argument("--version", action="version", version=f"midfill {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, about in _COMMANDS.items():
        command = commands.add_parser(name, help=about, description=about)
        if name == chosen:
            _module_of(name).add_arguments(command)
    return parser


def _module_of(name: str) -> types.ModuleType:
    """Import a command's module.

    Raises:
        UnavailableError: It belongs to what is not installed.
    """
    if name == "ray":
        return _module_of_ray()
    if name not in _OF_TRAINING:
        return importlib.import_module(f"lsp_server.commands.{name}")
    if not (_ROOT / "training" / "commands" / f"{name}.py").is_file():
        raise UnavailableError(
            "this command belongs to Midfill's training tools, which are not installed",
            subject=name,
            remedy="Clone Midfill's repository, and run `make install` there",
        )
    return importlib.import_module(f"training.commands.{name}")


def _module_of_ray() -> types.ModuleType:
    """Import the command ``ray``.

    Raises:
        UnavailableError: Ray, or Midfill's part for it, is not installed.
    """
    # Ray reads it when it is imported. It listens on every address of a machine, and
    # runs what it is sent: by the token alone it knows from whom.
    os.environ.setdefault("RAY_AUTH_MODE", "token")
    try:
        return importlib.import_module(_OF_RAY)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in {"midfill_ray", "ray"}:
            raise
        raise UnavailableError(
            f"it needs {error.name}, which is not installed",
            subject="ray",
            remedy="Run `make install-ray` in Midfill's repository",
        ) from error
