"""A model comes from a real S3 server as it comes from the web, or not at all."""

import json
import logging
import socket
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import boto3
import pytest
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    create_backend_app,
)
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.test import EnvironBuilder

from lsp_server.__main__ import main
from lsp_server.errors import PullError
from lsp_server.modelstore.manifest import load_manifest
from lsp_server.modelstore.registry.allow_list import AllowList
from lsp_server.modelstore.registry.pull import PullJob, pull
from lsp_server.modelstore.registry.s3 import S3
from lsp_server.modelstore.registry.transport import read
from lsp_server.modelstore.verify import verify

BUCKET = "shared-models"
BASE = f"s3://{BUCKET}/team a/tiny#1"
WEIGHTS = "model.safetensors"
SECRET = "a-secret-that-nobody-may-read"


class QuietHandler(WSGIRequestHandler):
    """Serves, and logs nothing."""

    def log(self, type: str, message: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""


@dataclass
class Store:
    """A store in this process, how it fails, and what it was asked.

    Attributes:
        app: The store itself.
        address: Its origin.
        budgets: Ending of a path to the bytes that each coming answer is cut at.
        requests: Path and range of every read.
        knows_ranges: Whether ranges are answered.
        redirect: Where every read is sent on to; empty for nowhere.
    """

    app: WSGIApplication
    address: str = ""
    budgets: dict[str, list[int]] = field(default_factory=dict)
    requests: list[tuple[str, str | None]] = field(default_factory=list)
    knows_ranges: bool = True
    redirect: str = ""

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Answer one request, perhaps not to the end."""
        path = environ["PATH_INFO"]
        if environ["REQUEST_METHOD"] == "GET":
            self.requests.append((path, environ.get("HTTP_RANGE")))
            if self.redirect:
                start_response("307 Redirect", [("Location", self.redirect + path)])
                return []
        if not self.knows_ranges:
            environ.pop("HTTP_RANGE", None)
        answer = self.app(environ, start_response)
        budgets = self.budgets.get(path.rpartition("/")[2])
        return [b"".join(answer)[: budgets.pop(0)]] if budgets else answer

    def client(self, service: str) -> Any:  # noqa: ANN401 - boto3 has no types
        """Return a client that may do everything."""
        return boto3.client(
            service,
            endpoint_url=self.address,
            region_name="us-east-1",
            aws_access_key_id="admin",
            aws_secret_access_key="admin",
        )

    def put(self, name: str, content: bytes, *, base: str = BASE) -> None:
        """Lay an object down."""
        bucket, _, prefix = base.removeprefix("s3://").partition("/")
        self.client("s3").put_object(
            Bucket=bucket, Key=f"{prefix}/{name}", Body=content
        )

    def tell(self, path: str, body: bytes = b"") -> None:
        """Reach for the store's own switches."""
        environ = EnvironBuilder(path=path, method="POST", data=body).get_environ()
        list(self.app(environ, lambda *_: lambda _: None))  # nothing is written

    def ranges(self, ending: str) -> list[str | None]:
        """Return the ranges that were asked for of a path with this ending."""
        return [asked for path, asked in self.requests if path.endswith(ending)]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """Return a running store with an empty bucket, and the settings that lead to it."""
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "aws-config").touch()
    started = Store(app=DomainDispatcherApplication(create_backend_app))
    with make_server(
        "127.0.0.1", 0, started, threaded=True, request_handler=QuietHandler
    ) as server:
        started.address = f"http://127.0.0.1:{server.server_port}"
        for name, value in {
            "AWS_ENDPOINT_URL": started.address,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "somebody",
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_CONFIG_FILE": str(tmp_path / "aws-config"),
            "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "aws-credentials"),
            "AWS_MAX_ATTEMPTS": "1",
        }.items():
            monkeypatch.setenv(name, value)
        for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_S3"):
            monkeypatch.delenv(name, raising=False)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        started.tell("/moto-api/reset")
        started.client("s3").create_bucket(Bucket=BUCKET)
        yield started
        started.tell("/moto-api/reset")
        server.shutdown()
        thread.join()


@pytest.fixture
def stored(store: Store, mirrored_folder: Path) -> Store:
    """Return a store that holds a whole model."""
    for path in mirrored_folder.iterdir():
        store.put(path.name, path.read_bytes())
    store.requests.clear()
    return store


class Puller:
    """Pulls from the store into one folder, and keeps what was said."""

    def __init__(self, root: Path, store: Store) -> None:
        self.root = root
        self.places = [f"s3://{BUCKET}", store.address]
        self.said: list[str] = []
        self.progress: list[tuple[str, int, int]] = []

    def __call__(self, base: str = BASE) -> Path:
        job = PullJob(name="tiny", entry=None, root=self.root, hub="", base=base)
        return pull(
            job,
            S3(AllowList(places=self.places), timeout_s=10),
            say=self.said.append,
            progress=lambda *shown_text: self.progress.append(shown_text),
        )

    def left(self) -> list[str]:
        """Return what is in the folder of models, hidden files left out."""
        return sorted(p.name for p in self.root.iterdir() if p.name[0] != ".")


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


@pytest.fixture
def login(stored: Store) -> Iterator[dict[str, str]]:
    """Let nobody in but a reader of the bucket, whose credentials are given."""
    iam = stored.client("iam")
    iam.create_user(UserName="reader")
    key = iam.create_access_key(UserName="reader")["AccessKey"]
    allow = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}
    iam.put_user_policy(
        UserName="reader",
        PolicyName="read",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [allow]}),
    )
    iam.create_user(UserName="stranger")
    other = iam.create_access_key(UserName="stranger")["AccessKey"]
    stored.tell("/moto-api/reset-auth", b"0")
    yield {
        "id": key["AccessKeyId"],
        "secret": key["SecretAccessKey"],
        "other id": other["AccessKeyId"],
        "other secret": other["SecretAccessKey"],
    }
    stored.tell("/moto-api/reset-auth", b"inf")


@pytest.mark.parametrize(
    ("given", "code"),
    [
        (("nobody", "secret"), "InvalidAccessKeyId"),
        (("id", "wrong"), "SignatureDoesNotMatch"),
        (("other id", "other secret"), "AccessDenied"),
    ],
)
def test_denied_credentials_are_reported(
    puller: Puller,
    login: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    given: tuple[str, str],
    code: str,
) -> None:
    """Unknown, wrong, or without the right; by code, without the secret."""
    user, secret = given
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", login.get(user, user))
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", login.get(secret, SECRET))
    with pytest.raises(PullError, match=rf"refuses these credentials \({code}\)") as e:
        puller()
    assert login.get(secret, SECRET) not in str(e.value)
    assert [] == puller.left()


def test_a_profile_of_the_aws_files_is_enough(
    puller: Puller,
    login: dict[str, str],
    store: Store,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Endpoint, region and credentials may all come from files."""
    for name in ("ENDPOINT_URL", "DEFAULT_REGION", "ACCESS_KEY_ID"):
        monkeypatch.delenv(f"AWS_{name}")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_PROFILE", "team")
    (tmp_path / "aws-config").write_text(
        f"[profile team]\nregion = us-east-1\nendpoint_url = {store.address}\n"
    )
    (tmp_path / "aws-credentials").write_text(
        f"[team]\naws_access_key_id = {login['id']}\n"
        f"aws_secret_access_key = {login['secret']}\n"
    )
    assert (puller() / WEIGHTS).is_file()


def test_no_credentials_are_reported(
    puller: Puller, stored: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the names of the variables; no machine is asked for a role's."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{stored.address}/role")
    with pytest.raises(PullError, match=r"no credentials .*Set AWS_ACCESS_KEY_ID and"):
        puller()
    assert [] == stored.requests


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AWS_PROFILE", "nobody"),
        ("AWS_ENDPOINT_URL", "no address"),
        ("AWS_DEFAULT_REGION", "no region"),
    ],
)
def test_wrong_settings_are_reported(
    store: Store, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    """A profile, an endpoint or a region that is none."""
    monkeypatch.setenv(name, value)
    with pytest.raises(PullError, match="AWS settings cannot be used"):
        read(S3(AllowList(places=[store.address])), f"s3://{BUCKET}/x")


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


def test_the_help_shows_no_way_to_write_a_secret_down(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Credentials come from the environment and from files alone."""
    with pytest.raises(SystemExit):
        main(["models", "pull", "--help"])
    options = {w for w in capsys.readouterr().out.split() if w.startswith("--")}
    how = {"--name", "--update", "--keep-on-failure", "--offline"}
    assert {"--from", "--config", "--help", *how} == options
