"""Starts the command line; little runs before Ctrl-C is handled."""

import sys
from collections.abc import Sequence

__all__ = ["main"]

_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that the arguments name, and return the exit status."""
    try:
        # Imported here, so that Ctrl-C meanwhile prints no traceback.
        from lsp_server.commands import entry  # noqa: PLC0415
    except KeyboardInterrupt:
        return _INTERRUPTED
    return entry.main(arguments)


if __name__ == "__main__":
    sys.exit(main())
