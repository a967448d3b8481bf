"""The inside of the sandbox: limits itself, then runs a program.

Run as a script with ``python -I -S`` by `training.eval.sandbox`, never imported. The
order comes on stdin as JSON; the word in it goes to stdout if, and only if, the program
came to its end.
"""

import contextlib
import ctypes
import json
import os
import platform
import resource
import struct
import sys

_NOBODY = 65534
_CANNOT_RUN = 3
"""Exit status that tells the outside that the sandbox itself does not work."""

_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 22, 2
_PR_SET_NO_NEW_PRIVS = 38
_LOAD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
"""Instructions: load a word, jump if it is equal, return."""

_ALLOW, _DENY, _KILL = 0x7FFF0000, 0x00050000 | 1, 0x80000000
_AT_NUMBER, _AT_MACHINE = 0, 4

_MACHINES = {
    # kill, tkill, tgkill; fork, vfork, clone, clone3; execve, execveat; socket;
    # unlink, rmdir, rename, unlinkat, renameat, renameat2; chmod, chown, truncate.
    "x86_64": (
        0xC000003E,
        (
            *(62, 200, 234, 57, 58, 56, 435, 59, 322, 41),
            *(87, 84, 82, 263, 264, 316, 90, 92, 76, 268, 260),
        ),
    ),
    "aarch64": (
        0xC00000B7,
        (129, 130, 131, 220, 435, 221, 281, 198, 35, 38, 276, 53, 54, 45),
    ),
}
"""The kernel's number of a machine, and those of the calls that are denied there."""


def _main() -> None:
    order = json.load(sys.stdin)
    report = os.dup(1)
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in range(3):
        os.dup2(nothing, descriptor)
    _give_up_root()
    for name, most in order["limits"].items():
        resource.setrlimit(getattr(resource, name), (most, most))
    if not _deny_calls() and os.geteuid() == 0:
        # No limit holds for root.
        os._exit(_CANNOT_RUN)
    # Whatever the program raises, or tries to leave by, is its failure.
    with contextlib.suppress(BaseException):
        exec(  # noqa: S102 - to run it is what this is for
            compile(order["program"], "task.py", "exec"), {"__name__": "__main__"}
        )
        os.write(report, order["word"].encode())
    os._exit(0)


def _give_up_root() -> None:
    """Become nobody where this is root, if nobody may read Python's library."""
    if os.geteuid() != 0:
        return
    child = os.fork()
    if child == 0:
        _become_nobody()
        os._exit(0 if os.access(os.__file__, os.R_OK) else 1)
    if os.waitpid(child, 0)[1] == 0:
        _become_nobody()


def _become_nobody() -> None:
    os.setgroups([])
    os.setgid(_NOBODY)
    os.setuid(_NOBODY)


def _deny_calls() -> bool:
    """Let the kernel refuse what starts processes, connects, or removes.

    Source: seccomp(2), and the kernel's Documentation/userspace-api/seccomp_filter.
    """
    if platform.machine() not in _MACHINES:
        return False
    machine, denied = _MACHINES[platform.machine()]
    code = [
        (_LOAD, 0, 0, _AT_MACHINE),
        (_JUMP_IF_EQUAL, 1, 0, machine),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _AT_NUMBER),
    ]
    for number in denied:
        code += [(_JUMP_IF_EQUAL, 0, 1, number), (_RETURN, 0, 0, _DENY)]
    code.append((_RETURN, 0, 0, _ALLOW))
    packed = b"".join(struct.pack("HBBI", *step) for step in code)
    buffer = ctypes.create_string_buffer(packed, len(packed))
    program = struct.pack("HxxxxxxP", len(code), ctypes.addressof(buffer))
    libc = ctypes.CDLL(None)
    word = ctypes.c_ulong
    libc.prctl.argtypes = (ctypes.c_int, word, ctypes.c_char_p, word, word)
    return not (
        libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, None, 0, 0)
        or libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, program, 0, 0)
    )


if __name__ == "__main__":
    _main()
