"""The command line: parse, run one command, tell errors, give the exit status."""

import argparse
import importlib
import importlib.metadata
import os
import sys
from collections.abc import Sequence

from lsp_server.errors import MidfillError

__all__ = ["main"]

_COMMANDS = {
    "serve": "serve an editor: the language server",
    "complete": "complete at a place in a file, and print it",
    "demo": "complete at the marked cursors of the example files",
    "doctor": "check whether completion can work on this machine",
    "models": "list, compare, check and fetch models",
    "quantize": "make a 4-bit model folder of a 16-bit checkpoint",
    "eval": "measure how good a model is, beside others",
}

_STATUS_OF_A_BROKEN_PIPE = 141
"""What a shell gives to a program that such a pipe ended: 128 and SIGPIPE's number."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that the arguments name, and give the exit status.

    An error of Midfill's own is told in a sentence; its traceback would help nobody.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    chosen = next((word for word in words if not word.startswith("-")), "")
    parser = _parser(chosen)
    options = parser.parse_args(words)
    command = importlib.import_module(f"lsp_server.commands.{options.command}")
    try:
        status = int(command.run(options))
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever reads has seen enough, as `head` does; nothing more can be said there.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _STATUS_OF_A_BROKEN_PIPE
    except MidfillError as error:
        sys.stderr.write(f"midfill {options.command}: {error}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    return status


def _parser(chosen: str) -> argparse.ArgumentParser:
    """Make the parser; only the chosen command is imported, for a quick start."""
    parser = argparse.ArgumentParser(
        prog="midfill", description="Code completion from a model of your own."
    )
    version = importlib.metadata.version("midfill")
    parser.add_argument("--version", action="version", version=f"midfill {version}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, about in _COMMANDS.items():
        command = commands.add_parser(name, help=about, description=about)
        if name == chosen:
            module = importlib.import_module(f"lsp_server.commands.{name}")
            module.add_arguments(command)
    return parser


if __name__ == "__main__":
    sys.exit(main())
