"""``midfill health``: checks that this machine's team server completes code."""

import argparse
import sys

from lsp_server.daemon.probe import ask_readiness, find_probe

__all__ = ["add_arguments", "run"]


def add_arguments(_parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments: it has none."""


def run(_arguments: argparse.Namespace) -> int:
    """Ask the server, and return 0 if it has just proved that it completes.

    Raises:
        DaemonError: It has not.
    """
    sys.stdout.write(f"ready: {ask_readiness(find_probe())}\n")
    return 0
