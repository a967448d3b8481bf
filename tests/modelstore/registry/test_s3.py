"""A model comes from a real S3 server as it comes from the web, or not at all."""

import logging
import socket
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from s3_store import BASE, BUCKET, SECRET, WEIGHTS, Puller, Store, running_store

from lsp_server.__main__ import main
from lsp_server.errors import PullError
from lsp_server.modelstore.manifest import load_manifest
from lsp_server.modelstore.registry.allow_list import AllowList
from lsp_server.modelstore.registry.s3 import S3
from lsp_server.modelstore.registry.transport import read
from lsp_server.modelstore.verify import verify


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """Return a running store with an empty bucket, and the settings that lead to it."""
    with running_store(tmp_path, monkeypatch) as running:
        yield running


@pytest.fixture
def stored(store: Store, mirrored_folder: Path) -> Store:
    """Return a store that holds a whole model."""
    for path in mirrored_folder.iterdir():
        store.put(path.name, path.read_bytes())
    store.requests.clear()
    return store


@pytest.fixture
def puller(tmp_path: Path, store: Store) -> Puller:
    """Return a puller into an empty folder."""
    return Puller(tmp_path / "models", store)


def contents(folder: Path) -> Mapping[str, bytes]:
    """Return every file of a folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_brings_a_whole_model(
    puller: Puller, stored: Store, mirrored_folder: Path
) -> None:
    """Byte for byte, pinned, with progress; the key is taken as it is written."""
    folder = puller()
    assert contents(mirrored_folder) == contents(folder)
    verify(folder, load_manifest(folder))
    assert "pinned revision" in puller.said[0]
    size = (folder / WEIGHTS).stat().st_size
    assert (WEIGHTS, size, size) == puller.progress[-1]
    assert ["pins.json", "tiny"] == puller.left()
    assert not (puller.root / ".tiny.unfinished").exists()
    assert (f"/{BUCKET}/team a/tiny#1/manifest.json", None) == stored.requests[0]


def test_goes_on_where_the_connection_broke(puller: Puller, stored: Store) -> None:
    """Within one pull the rest is asked for by range."""
    stored.budgets[WEIGHTS] = [30, 40]
    verify(puller(), load_manifest(puller.root / "tiny"))
    assert [None, "bytes=30-", "bytes=70-"] == stored.ranges(WEIGHTS)


def test_begins_again_where_a_store_knows_no_ranges(
    puller: Puller, stored: Store
) -> None:
    """The first part is thrown away, not kept in front of the whole."""
    stored.knows_ranges = False
    stored.budgets[WEIGHTS] = [30]
    verify(puller(), load_manifest(puller.root / "tiny"))


def test_a_manifest_that_breaks_off_is_reported(puller: Puller, stored: Store) -> None:
    """Half of it is not taken for the whole."""
    stored.budgets["manifest.json"] = [30]
    with pytest.raises(PullError, match="the answer broke off"):
        puller()


@pytest.mark.parametrize(
    ("base", "message"),
    [
        (f"s3://{BUCKET}/nothing", "the bucket has no such object"),
        (f"s3://{BUCKET}", "the bucket has no such object"),
        ("s3://no-such-bucket/tiny", "the store has no such bucket"),
    ],
)
def test_what_is_not_there_is_reported(
    puller: Puller, stored: Store, base: str, message: str
) -> None:
    """A bucket and a key are distinguished, and neither leaves anything."""
    puller.places.append("s3://no-such-bucket")
    with pytest.raises(PullError, match=message):
        puller(base)
    assert 1 == len(stored.requests)
    assert [] == puller.left()


def test_an_object_that_went_away_is_reported(puller: Puller, stored: Store) -> None:
    """The manifest names weights that the bucket does not have."""
    stored.client("s3").delete_object(Bucket=BUCKET, Key=f"team a/tiny#1/{WEIGHTS}")
    with pytest.raises(PullError, match=rf"{WEIGHTS}: the bucket has no such object"):
        puller()


def test_a_store_that_is_not_there_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """A password in the endpoint's address is not in the message."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        origin = f"127.0.0.1:{taken.getsockname()[1]}"
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, SECRET)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://me:{SECRET}@{origin}")
    places = [f"s3://{BUCKET}", f"http://me:{SECRET}@{origin}"]
    s3 = S3(AllowList(places=places), timeout_s=2)
    with pytest.raises(PullError, match="the store cannot be reached") as caught:
        read(s3, f"s3://{BUCKET}/x")
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("places", "subject"),
    [
        ([], f"s3://{BUCKET}"),
        (["ENDPOINT"], f"s3://{BUCKET}"),
        ([f"s3://{BUCKET}-2", "ENDPOINT"], f"s3://{BUCKET}"),
        ([f"s3://{BUCKET}"], "ENDPOINT"),
        ([f"s3://{BUCKET}", "*.amazonaws.com"], "ENDPOINT"),
    ],
)
def test_bucket_and_store_must_be_on_the_list(
    puller: Puller, stored: Store, places: list[str], subject: str
) -> None:
    """Either alone is not enough, and nothing is sent."""
    puller.places = [place.replace("ENDPOINT", stored.address) for place in places]
    with pytest.raises(PullError, match="not on the list of allowed ones") as caught:
        puller()
    assert subject.replace("ENDPOINT", stored.address) == caught.value.subject
    assert [] == stored.requests


def test_a_store_cannot_send_on_to_another(puller: Puller, stored: Store) -> None:
    """Only a store's own regions are followed, and those only if they are listed."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        other.settimeout(0)
        stored.redirect = f"http://127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(PullError, match="the store answered with"):
            puller()
        with pytest.raises(BlockingIOError):
            other.accept()


@pytest.mark.parametrize(
    "address",
    [
        "s3:///key",
        "s3://a/b",
        f"s3://me:{SECRET}@{BUCKET}/x",
        f"s3://{BUCKET}?x/y",
        "s3://arn:aws:s3:::x/y",
        f"https://{BUCKET}/x",
    ],
)
def test_what_is_no_bucket_is_refused(store: Store, address: str) -> None:
    """The address is not repeated: a secret may stand in it."""
    s3 = S3(AllowList(places=[f"s3://{BUCKET}", store.address]))
    with pytest.raises(PullError, match="no address of a bucket") as caught:
        read(s3, address)
    assert SECRET not in str(caught.value)


def test_a_range_behind_the_end_is_reported(stored: Store) -> None:
    """An object that shrank is an answer by code."""
    s3 = S3(AllowList(places=[f"s3://{BUCKET}", stored.address]))
    with (
        pytest.raises(PullError, match="shorter than its manifest says"),
        s3.open(f"{BASE}/manifest.json", start=10_000_000),
    ):
        pass


def test_without_boto3_the_command_that_installs_it_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is an extra."""
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(
        PullError,
        match=r"boto3: it is needed.*make install-s3.*pip install 'midfill\[s3\]",
    ):
        S3(AllowList(places=[]))


def test_the_command_pulls_then_needs_no_network(
    stored: Store,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """No secret is printed, logged or pinned; offline, nothing is asked."""
    monkeypatch.setenv("MIDFILL_REGISTRY_FOLDER", str(tmp_path / "models"))
    monkeypatch.setenv("MIDFILL_REGISTRY_SOURCES", f"s3://{BUCKET} {stored.address}")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("MIDFILL_CONFIG", raising=False)
    command = ["models", "pull", "tiny", "--from", BASE]
    with caplog.at_level(logging.INFO):
        assert 1 == main([*command, "--offline"])
        assert "--offline forbids to fetch it" in capsys.readouterr().err
        assert [] == stored.requests
        assert 0 == main(command)
    shown = capsys.readouterr()
    assert f"{tmp_path / 'models' / 'tiny'}\n" == shown.out
    assert "model.safetensors: 100 %" in shown.err
    shown_text = shown.out + shown.err + caplog.text
    shown_text += (tmp_path / "models" / "pins.json").read_text()
    assert SECRET not in shown_text
    assert "somebody" not in shown_text
    stored.requests.clear()
    assert 0 == main([*command, "--offline"])
    assert [] == stored.requests
