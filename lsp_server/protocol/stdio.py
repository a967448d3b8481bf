"""Takes stdin and stdout away from everything but the protocol.

vLLM logs to stdout, and the processes that it starts inherit file descriptors 0 and
1. An editor cannot read past a stray line, so the protocol gets descriptors of its
own, and everybody else finds an empty stdin and the log behind 0 and 1.
"""

import os
from dataclasses import dataclass
from functools import partial

__all__ = ["Stdio", "claim_stdio"]

_STDIN, _STDOUT, _STDERR = 0, 1, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Stdio:
    """The two descriptors of a connection with an editor.

    Attributes:
        reader_fd: Where the editor's messages come in.
        writer_fd: Where ours go out.
    """

    reader_fd: int
    writer_fd: int


def claim_stdio() -> Stdio:
    """Move the editor's pipes to private descriptors, and return these.

    From then on descriptor 0 is empty, and whatever is written to descriptor 1 goes
    to stderr, whoever writes it: Python, a library in C, or a child process. Child
    processes cannot reach the private descriptors, forked ones included. Call it
    once, before anything that may print is imported.

    Raises:
        OSError: Descriptor 0 or 1 is not open.
    """
    _open_stderr()
    stdio = Stdio(reader_fd=os.dup(_STDIN), writer_fd=os.dup(_STDOUT))
    null_fd = os.open(os.devnull, os.O_RDWR)
    os.dup2(null_fd, _STDIN)
    os.close(null_fd)
    os.dup2(_STDERR, _STDOUT)
    os.register_at_fork(after_in_child=partial(_let_go, stdio))
    return stdio


def _open_stderr() -> None:
    """Put something behind descriptor 2, before another descriptor gets its number."""
    try:
        os.fstat(_STDERR)
    except OSError:
        null_fd = os.open(os.devnull, os.O_RDWR)
        if null_fd != _STDERR:
            os.dup2(null_fd, _STDERR)
            os.close(null_fd)


def _let_go(stdio: Stdio) -> None:
    """Put nothing behind the private descriptors, in a forked child.

    A forked child keeps close-on-exec descriptors, and one that outlived the server
    would keep the editor's pipe open.
    """
    null_fd = os.open(os.devnull, os.O_RDWR)
    for fd in (stdio.reader_fd, stdio.writer_fd):
        os.dup2(null_fd, fd, inheritable=False)
    os.close(null_fd)
