"""An S3 store in this process, and one who pulls from it."""

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
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

from lsp_server.modelstore.registry.allow_list import AllowList
from lsp_server.modelstore.registry.pull import PullJob, pull
from lsp_server.modelstore.registry.s3 import S3

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
            S3(AllowList(places=self.places), timeout_s=60),
            say=self.said.append,
            progress=lambda *shown_text: self.progress.append(shown_text),
        )

    def left(self) -> list[str]:
        """Return what is in the folder of models, hidden files left out."""
        return sorted(p.name for p in self.root.iterdir() if p.name[0] != ".")


@contextmanager
def running_store(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """Run a store with an empty bucket, and set the variables that lead to it."""
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    (folder / "aws-config").touch()
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
            "AWS_CONFIG_FILE": str(folder / "aws-config"),
            "AWS_SHARED_CREDENTIALS_FILE": str(folder / "aws-credentials"),
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
