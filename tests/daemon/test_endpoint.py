"""The daemon's files are in a folder of this user's alone, or there is no daemon."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from lsp_server.daemon.dial import Starting, connect
from lsp_server.daemon.endpoint import Endpoint, find_endpoint
from lsp_server.daemon.listener import Listener
from lsp_server.daemon.lock import DaemonLock, holder
from lsp_server.errors import DaemonError


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's runtime folder."""
    tmp_path.chmod(0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return tmp_path


BY_ROOT = pytest.mark.skipif(
    os.geteuid() != 0, reason="only root gives files to another user"
)


def link(path: Path) -> None:
    """Make a symlink to a folder that would do."""
    target = path.with_name("elsewhere")
    target.mkdir(mode=0o700)
    path.symlink_to(target)


def foreign(path: Path) -> None:
    """Make a folder of another user's."""
    path.mkdir(mode=0o700)
    os.chown(path, 4242, -1)


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (link, "is not a folder"),
        pytest.param(foreign, "belongs to user 4242", marks=BY_ROOT),
        (lambda path: path.mkdir(mode=0o755), "others may use it"),
        (lambda path: path.write_text(""), "cannot be made"),
    ],
)
def test_a_folder_that_is_not_private_is_refused(
    runtime: Path, make: Callable[[Path], None], why: str
) -> None:
    """A symlink, somebody else's, one that others may enter, a file."""
    make(runtime / "midfill")
    with pytest.raises(DaemonError, match=why):
        find_endpoint()


def test_a_parent_that_others_change_is_refused(runtime: Path) -> None:
    """There the folder could be replaced by another one."""
    runtime.chmod(0o777)
    with pytest.raises(DaemonError, match="others may change"):
        find_endpoint()


def socket_at(path: Path) -> socket.socket:
    """Listen on a socket."""
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(path))
    listening.listen()
    return listening


def test_a_socket_that_is_not_ours_alone_is_not_used(runtime: Path) -> None:
    """Neither one behind a symlink, nor one that others may use."""
    endpoint = find_endpoint()
    path = endpoint.socket_path
    with socket_at(runtime / "s"):
        path.symlink_to(runtime / "s")
        with pytest.raises(DaemonError, match="is not a socket"):
            connect(endpoint)
        path.unlink()
    with socket_at(path):
        path.chmod(0o777)
        with pytest.raises(DaemonError, match="others may use it"):
            connect(endpoint)


@BY_ROOT
@pytest.mark.usefixtures("runtime")
def test_a_socket_of_somebody_else_is_left_alone() -> None:
    """Nobody connects to it, and a daemon that starts does not remove it."""
    endpoint = find_endpoint()
    with socket_at(endpoint.socket_path):
        endpoint.socket_path.chmod(0o600)
        os.chown(endpoint.socket_path, 4242, -1)
        for use in (connect, Listener.open_unix):
            with pytest.raises(DaemonError, match="belongs to user 4242"):
                use(endpoint)
        assert endpoint.socket_path.exists()


@pytest.mark.usefixtures("runtime")
def test_a_stale_socket_is_replaced() -> None:
    """What a daemon that was killed left behind is nobody's; nobody listens there."""
    endpoint = find_endpoint()
    socket_at(endpoint.socket_path).close()
    endpoint.socket_path.chmod(0o600)
    assert connect(endpoint) is None
    listener = Listener.open_unix(endpoint)
    assert 0o600 == endpoint.socket_path.stat().st_mode & 0o777
    dialled = connect(endpoint)
    assert dialled is not None
    dialled.connection.close()
    listener.close()
    assert not endpoint.socket_path.exists()


@pytest.mark.usefixtures("runtime")
def test_a_port_is_trusted_only_while_the_daemon_lives() -> None:
    """The port of a dead daemon may be anybody's, who does not get the token."""
    endpoint = find_endpoint()
    listener = Listener.open_tcp(endpoint)
    assert 0o600 == endpoint.address_path.stat().st_mode & 0o777
    assert connect(endpoint) is None
    lock = DaemonLock.take(endpoint.lock_path)
    assert lock is not None
    dialled = connect(endpoint)
    assert dialled is not None
    assert 64 == len(dialled.token)
    with pytest.raises(DaemonError, match="token is wrong"):
        listener.admit(dialled.connection, "0" * 64)
    listener.admit(dialled.connection, dialled.token)
    dialled.connection.close()
    lock.release()
    listener.close()


@pytest.mark.usefixtures("runtime")
@pytest.mark.parametrize("listen", [Listener.open_unix, Listener.open_tcp])
def test_a_file_that_was_removed_is_made_anew(
    listen: Callable[[Endpoint], Listener],
) -> None:
    """By the process that holds the lock; by no other, whose place it is not."""
    endpoint = find_endpoint()
    listener = listen(endpoint)
    [path] = [each for each in endpoint.folder.iterdir() if each.suffix != ".lock"]
    path.unlink()
    assert not listener.restore()
    assert not path.exists()
    lock = DaemonLock.take(endpoint.lock_path)
    assert lock is not None
    lock.hold()
    listening = listener.socket
    has_another = listener.restore()
    assert has_another is (listener.socket is not listening)
    assert 0o600 == path.stat().st_mode & 0o777
    dialled = connect(endpoint)
    assert dialled is not None
    dialled.connection.close()
    assert not listener.restore()
    listening.close()
    lock.release()
    listener.close()


@pytest.mark.usefixtures("runtime")
def test_a_daemon_that_does_not_listen_is_named() -> None:
    """With what to do: it holds the lock, so no other daemon can start."""
    endpoint = find_endpoint()
    lock = DaemonLock.take(endpoint.lock_path)
    assert lock is not None
    lock.hold()
    with pytest.raises(DaemonError) as refused:
        Starting(endpoint, timeout_s=-1.0).look()
    lock.release()
    for part in (f"process {os.getpid()}: it does not listen", "midfill daemon stop"):
        assert part in str(refused.value)


def test_a_path_too_long_for_a_socket_leaves_the_port(runtime: Path) -> None:
    """The operating system limits the paths of sockets."""
    assert Endpoint(folder=runtime, name="x").has_unix
    assert not Endpoint(folder=runtime / ("x" * 100), name="x").has_unix


def test_the_lock_is_the_processes_own(tmp_path: Path) -> None:
    """It is free once its holder has gone, whatever the file holds."""
    path = tmp_path / "lock"
    lock = DaemonLock.take(path)
    assert lock is not None
    lock.hold()
    assert DaemonLock.take(path) is None
    assert os.getpid() == holder(path)
    lock.release()
    assert holder(path) is None


def test_a_lock_that_cannot_be_written_is_an_error_of_the_daemon() -> None:
    """As on a full disk; a pipe refuses as well."""
    reading, writing = os.pipe()
    os.close(reading)
    lock = DaemonLock.adopt(writing)
    with pytest.raises(DaemonError, match="the lock cannot be written"):
        lock.hold()
    lock.release()


def test_no_lock_behind_a_symlink(tmp_path: Path) -> None:
    """It would truncate what the link points to."""
    (tmp_path / "file").write_text("precious")
    (tmp_path / "lock").symlink_to(tmp_path / "file")
    with pytest.raises(DaemonError, match="cannot be opened"):
        DaemonLock.take(tmp_path / "lock")
    assert "precious" == (tmp_path / "file").read_text()
