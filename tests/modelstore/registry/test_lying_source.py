"""A source that is slow, or says what is not so, is given up with a sentence."""

import hashlib
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from lsp_server.errors import PullError, UnsafeModelError
from lsp_server.modelstore.manifest import FileEntry
from lsp_server.modelstore.registry.allow_list import AllowList
from lsp_server.modelstore.registry.pull import PullJob, pull
from lsp_server.modelstore.registry.s3 import S3
from lsp_server.modelstore.registry.transport import Transport, Web, read

BUCKET = "models"
WEIGHTS = "model.safetensors"
PATIENCE_S = 60.0
SHORT_S = 1.0
DRIPS = 1_000_000


@dataclass
class Liar:
    """A server that plays the web and a store, and how it misleads.

    Attributes:
        address: Its origin.
        contents: Name to content, in the one folder that there is.
        headers: What it sends besides.
        drips: Whether it sends the weights byte by byte, and never all.
    silent: The file that it does not answer for.
        silent: What it gives no answer to.
        ended: Set when no more drops are wanted.
    """

    address: str = ""
    contents: dict[str, bytes] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    drips: bool = False
    silent: str = ""
    ended: threading.Event = field(default_factory=threading.Event)


def handler_of(liar: Liar) -> type[BaseHTTPRequestHandler]:  # noqa: C901 - a class, not one path
    """Make the class that answers for ``liar``."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer(with_body=True)

        def do_HEAD(self) -> None:
            self._answer(with_body=False)

        def _answer(self, *, with_body: bool) -> None:
            name = self.path.rpartition("/")[2]
            if name == liar.silent:
                liar.ended.wait()
                self.close_connection = True
                return
            body = liar.contents[name]
            is_drip = liar.drips and name == WEIGHTS
            self.send_response(200)
            self.send_header("Content-Length", str(DRIPS if is_drip else len(body)))
            self.send_header("Connection", "close")
            for header, value in liar.headers.items():
                self.send_header(header, value)
            self.end_headers()
            if is_drip:
                self._drip()
            elif with_body:
                self.wfile.write(body)

        def _drip(self) -> None:
            try:
                while not liar.ended.wait(0.01):
                    self.wfile.write(b"x")
            except OSError:
                pass  # the client has had enough

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            pass

    return Handler


@pytest.fixture
def liar(mirrored_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Liar]:
    """Return a running server with a model on it."""
    for name in ("http_proxy", "HTTP_PROXY", "AWS_PROFILE", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(name, raising=False)
    made = Liar(contents={p.name: p.read_bytes() for p in mirrored_folder.iterdir()})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler_of(made)) as server:
        made.address = f"http://127.0.0.1:{server.server_port}"
        for name, value in {
            "AWS_ENDPOINT_URL": made.address,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "somebody",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_MAX_ATTEMPTS": "1",
        }.items():
            monkeypatch.setenv(name, value)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield made
        made.ended.set()
        server.shutdown()
        thread.join()


def over_the_web(liar: Liar, timeout_s: float) -> tuple[Transport, str]:
    """Return the web, and the folder's address there."""
    allowed = AllowList(places=[liar.address])
    return Web(allowed, timeout_s=timeout_s), f"{liar.address}/{BUCKET}"


def from_a_store(liar: Liar, timeout_s: float) -> tuple[Transport, str]:
    """Return the store, and the folder's address there."""
    allowed = AllowList(places=[f"s3://{BUCKET}", liar.address])
    return S3(allowed, timeout_s=timeout_s), f"s3://{BUCKET}/m"


Open = Callable[[Liar, float], tuple[Transport, str]]


BOTH = pytest.mark.parametrize("source", [over_the_web, from_a_store])


def run(liar: Liar, source: Open, root: Path, timeout_s: float = PATIENCE_S) -> Path:
    """Pull the model."""
    transport, base = source(liar, timeout_s)
    job = PullJob(name="tiny", entry=None, root=root, hub="", base=base)
    return pull(job, transport, say=lambda _: None, progress=lambda *_step: None)


@BOTH
def test_a_trickle_is_given_up(liar: Liar, source: Open, tmp_path: Path) -> None:
    """It is never silent for long, and would never end; what came is kept."""
    liar.drips = True
    manifest = liar.contents["manifest.json"]
    size = str(len(liar.contents[WEIGHTS])).encode()
    liar.contents["manifest.json"] = manifest.replace(
        b'"bytes": ' + size, b'"bytes": %d' % DRIPS
    )
    with pytest.raises(PullError, match=r"the source is too slow: \d+ bytes in"):
        run(liar, source, tmp_path / "models", SHORT_S)
    assert not (tmp_path / "models" / "tiny").exists()
    (part,) = (tmp_path / "models" / ".tiny.unfinished" / "incoming").iterdir()
    assert set(part.read_bytes()) == {ord("x")}


@BOTH
@pytest.mark.parametrize("name", ["manifest.json", WEIGHTS])
def test_silence_is_given_up(
    liar: Liar, source: Open, tmp_path: Path, name: str
) -> None:
    """The connection stands, and nothing comes."""
    liar.silent = name
    with pytest.raises(PullError, match=rf"{name}: .*cannot be reached \("):
        run(liar, source, tmp_path / "models", SHORT_S)
    assert not (tmp_path / "models" / "tiny").exists()


@BOTH
def test_a_document_that_trickles_is_given_up(liar: Liar, source: Open) -> None:
    """The manifest and the signature are read in the same way."""
    liar.drips = True
    transport, base = source(liar, SHORT_S)
    with pytest.raises(PullError, match="the source is too slow"):
        read(transport, f"{base}/{WEIGHTS}")


def forge(liar: Liar) -> None:
    """Offer other weights of the same size."""
    liar.contents[WEIGHTS] = liar.contents[WEIGHTS][:-1] + b"y"


def forge_with_tags(liar: Liar) -> None:
    """Offer other weights, and say of them what is so of the right ones."""
    right = hashlib.sha256(liar.contents[WEIGHTS]).hexdigest()
    liar.headers = {"ETag": f'"{right}"', "x-amz-meta-midfill-sha256": right}
    forge(liar)


def shorten(liar: Liar) -> None:
    """Offer fewer bytes than the manifest says."""
    liar.contents[WEIGHTS] = liar.contents[WEIGHTS][:40]


def lengthen(liar: Liar) -> None:
    """Offer more bytes than the manifest says."""
    liar.contents[WEIGHTS] += b"more"


@BOTH
@pytest.mark.parametrize(
    ("lie", "message"),
    [
        (forge, "the content has the hash"),
        (forge_with_tags, "the content has the hash"),
        (shorten, "broke off at 40 of"),
        (lengthen, "sends more than"),
    ],
)
def test_what_is_not_so_is_found_out(
    liar: Liar, source: Open, tmp_path: Path, lie: Callable[[Liar], None], message: str
) -> None:
    """Only size and SHA-256 of the manifest count."""
    lie(liar)
    with pytest.raises(PullError, match=message):
        run(liar, source, tmp_path / "models")
    assert not (tmp_path / "models" / "tiny").exists()


UNSAFE: Mapping[str, tuple[bytes, str]] = {
    "pytorch_model.bin": (b"", "can hold a pickle"),
    "modeling.py": (b"", "is code"),
    "chat_template.jinja": (b"", "is a chat template"),
    "tokenizer_config.json": (b'{"chat_template": "x"}', "key 'chat_template'"),
    "generation_config.json": (b'[{"auto_map": {}}]', "key 'auto_map'"),
    "../x.json": (b"{}", "no file of the folder"),
    "manifest.sig": (b"", "no file of the folder"),
}


@BOTH
@pytest.mark.parametrize(("name", "unsafe"), UNSAFE.items(), ids=UNSAFE)
def test_what_is_not_safe_is_refused(
    liar: Liar, source: Open, tmp_path: Path, name: str, unsafe: tuple[bytes, str]
) -> None:
    """Though the manifest lists it with the right hash."""
    content, message = unsafe
    liar.contents[name.rpartition("/")[2]] = content
    manifest = json.loads(liar.contents["manifest.json"])
    sha256 = hashlib.sha256(content).hexdigest()
    manifest["files"][name] = {"sha256": sha256, "bytes": len(content)}
    liar.contents["manifest.json"] = json.dumps(manifest).encode()
    with pytest.raises(UnsafeModelError, match=message):
        run(liar, source, tmp_path / "models")
    assert not (tmp_path / "models" / "tiny").exists()


@BOTH
def test_a_wrong_tag_costs_nothing(liar: Liar, source: Open, tmp_path: Path) -> None:
    """Stores compute it in ways of their own."""
    liar.headers = {
        "ETag": '"0"',
        "Content-MD5": "AAAA",
        "x-amz-checksum-crc32": "AA==",
    }
    folder = run(liar, source, tmp_path / "models")
    assert liar.contents[WEIGHTS] == (folder / WEIGHTS).read_bytes()


def test_what_others_have_stored_is_not_taken_for_ours(liar: Liar) -> None:
    """Without the hash that a push writes, an object is sent again."""
    transport, base = from_a_store(liar, PATIENCE_S)
    assert isinstance(transport, S3)
    address, size = f"{base}/{WEIGHTS}", len(liar.contents[WEIGHTS])
    assert FileEntry(sha256="", bytes=size) == transport.stored(address)
    liar.headers = {"x-amz-meta-midfill-sha256": "f" * 64}
    assert FileEntry(sha256="f" * 64, bytes=size) == transport.stored(address)
