"""The process inside the sandbox: limits itself, then runs a program.

Run as a script with ``python -I -S`` by `training.eval.sandbox`, never imported. The
job comes on stdin as JSON; its token goes to stdout if, and only if, the program runs
to its end.
"""

import contextlib
import ctypes
import errno
import json
import os
import resource
import sys

_NOBODY = 65534
_CANNOT_PROTECT = 3
"""Exit status if the sandbox itself does not work here."""

_SCMP_ACT_ALLOW = 0x7FFF0000
_SCMP_ACT_ERRNO = 0x00050000
_UNKNOWN_CALL = -1
_DENIED_CALLS = (
    *("kill", "tkill", "tgkill", "fork", "vfork", "clone", "clone3"),
    *("execve", "execveat", "socket", "unlink", "unlinkat", "rmdir"),
    *("rename", "renameat", "renameat2", "truncate"),
    *("chmod", "fchmodat", "chown", "fchownat"),
)


def _main() -> None:
    job = json.load(sys.stdin)
    report = os.dup(1)
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in range(3):
        os.dup2(null, descriptor)
    _drop_root()
    for name, limit in job["limits"].items():
        resource.setrlimit(getattr(resource, name), (limit, limit))
    if not _deny_calls():
        os._exit(_CANNOT_PROTECT)
    # Whatever the program raises, or tries to leave by, is its failure.
    with contextlib.suppress(BaseException):
        exec(  # noqa: S102 - to run it is what this is for
            compile(job["program"], "task.py", "exec"), {"__name__": "__main__"}
        )
        os.write(report, job["token"].encode())
    os._exit(0)


def _drop_root() -> None:
    """Become nobody if this is root and nobody may read Python's library."""
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
    """Let the kernel deny the calls listed above; return whether it does.

    libseccomp builds the filter for this machine. Calls that it does not have are
    skipped.

    Source: seccomp_init(3), seccomp_rule_add(3), seccomp_load(3).
    """
    try:
        library = ctypes.CDLL("libseccomp.so.2")
    except OSError:
        return False
    library.seccomp_init.restype = ctypes.c_void_p
    library.seccomp_init.argtypes = (ctypes.c_uint32,)
    library.seccomp_rule_add_array.argtypes = (
        *(ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint),
        ctypes.c_void_p,
    )
    library.seccomp_load.argtypes = (ctypes.c_void_p,)
    context = library.seccomp_init(_SCMP_ACT_ALLOW)
    if not context:
        return False
    for name in _DENIED_CALLS:
        number = library.seccomp_syscall_resolve_name(name.encode())
        if number == _UNKNOWN_CALL or library.seccomp_rule_add_array(
            context, _SCMP_ACT_ERRNO | errno.EPERM, number, 0, None
        ):
            return False
    return bool(library.seccomp_load(context) == 0)


if __name__ == "__main__":
    _main()
