"""Keys of a replica: in a file that Kubernetes replaces, and with an end."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from lsp_server.access.key_ring import KeyRing
from lsp_server.access.keys import StoredKey, parse_line
from lsp_server.errors import KeyFileError

MakeKey = Callable[..., tuple[str, StoredKey]]
NOON_S = 1_796_040_000.0
NOON = "2026-11-30T12:00:00Z"


class SecretMount:
    """A folder as the kubelet mounts a Secret: files are links through ``..data``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.keys = folder / "keys.jsonl"
        self._versions = 0

    def put(self, *keys: StoredKey) -> None:
        """Replace all files at once, as the kubelet does: by a rename of the link."""
        self._versions += 1
        version = self.folder / f"..version_{self._versions}"
        version.mkdir(parents=True)
        lines = "".join(f"{key.line}\n" for key in keys)
        (version / "keys.jsonl").write_text(lines, encoding="utf-8")
        (version / "keys.jsonl").chmod(0o400)
        link = self.folder / "..data_tmp"
        link.symlink_to(version.name)
        link.replace(self.folder / "..data")
        if not self.keys.is_symlink():
            self.keys.symlink_to("..data/keys.jsonl")


def test_a_key_revoked_in_one_replica_ends_there_first(
    tmp_path: Path, make_key: MakeKey
) -> None:
    """Each replica's mount is replaced in its own time; none needs a restart."""
    (ada, stored), (bob, second) = make_key(), make_key()
    mounts = [SecretMount(tmp_path / name) for name in ("one", "two")]
    now = [0.0]
    for mount in mounts:
        mount.put(stored, second)
    one, two = (KeyRing.load(each.keys, {}, clock=lambda: now[0]) for each in mounts)
    assert stored.key == one.identify(ada) == two.identify(ada)

    mounts[0].put(second)
    now[0] = 1.0
    assert one.identify(ada) is None
    assert stored.key == two.identify(ada)
    mounts[1].put(second)
    now[0] = 2.0
    assert two.identify(ada) is None
    assert second.key == one.identify(bob) == two.identify(bob)


def test_a_key_ends_by_the_clock_alone(tmp_path: Path, make_key: MakeKey) -> None:
    """At its time it ends in every replica, whatever their mounts hold."""
    secret, stored = make_key(expires=NOON)
    assert stored == parse_line(stored.line, subject="it")
    mount, now_s = SecretMount(tmp_path), [NOON_S - 1]
    mount.put(stored)
    ring = KeyRing.load(mount.keys, {}, wall_clock=lambda: now_s[0])
    assert stored.key == ring.identify(secret)
    now_s[0] = NOON_S
    assert ring.identify(secret) is None
    assert ring.required


@pytest.mark.parametrize("end", ["tomorrow", "2026-13-01T00:00:00Z", "2026-11-30"])
def test_an_end_that_is_no_time_costs_its_key(end: str, make_key: MakeKey) -> None:
    """A key whose end cannot be read must not hold for ever."""
    _, stored = make_key(expires=end)
    with pytest.raises(KeyFileError, match="expires"):
        parse_line(stored.line, subject="it")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a file of root's")
@pytest.mark.parametrize(
    ("mode", "is_member", "is_taken"),
    [
        (0o440, True, True),
        (0o440, False, False),
        (0o460, True, False),
        (0o444, True, False),
    ],
)
def test_a_secret_that_is_lent_to_a_group_is_taken(
    tmp_path: Path,
    make_key: MakeKey,
    monkeypatch: pytest.MonkeyPatch,
    *,
    mode: int,
    is_member: bool,
    is_taken: bool,
) -> None:
    """With ``fsGroup`` the kubelet leaves it to root, for the pod's group to read."""
    secret, stored = make_key()
    mount = SecretMount(tmp_path)
    mount.put(stored)
    os.chown(mount.keys, 0, 10001)
    mount.keys.chmod(mode)
    monkeypatch.setattr("os.geteuid", lambda: 10001)
    monkeypatch.setattr("os.getegid", lambda: 10002)
    monkeypatch.setattr("os.getgroups", lambda: [10001] if is_member else [])
    if is_taken:
        assert stored.key == KeyRing.load(mount.keys, {}).identify(secret)
    else:
        with pytest.raises(KeyFileError, match="other users may use it"):
            KeyRing.load(mount.keys, {})
