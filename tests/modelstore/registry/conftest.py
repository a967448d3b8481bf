"""A real web server on this machine that plays the hub, its faults included."""

import hashlib
import json
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TypeAlias
from urllib.parse import urlsplit

import pytest
from folder_puller import WEIGHTS, Puller, Versions, offer
from hub_puller import Puller as HubPuller
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from lsp_server.modelstore.registry.allow_list import AllowList
from lsp_server.modelstore.registry.catalogue import Architecture, Checkpoint, Entry
from lsp_server.modelstore.registry.transport import Web
from lsp_server.prompt.families import FAMILIES

COMMIT = "a" * 40
HUB_ID = "maker/tiny-gptq"

WriteWeights: TypeAlias = Callable[
    [Path, Mapping[str, tuple[str, tuple[int, ...]]]], None
]


@dataclass
class Site:
    """What the server serves, how it fails, and what it was asked.

    Attributes:
        address: Its origin.
        contents: Path to content.
        redirects: Path to another address.
        statuses: Path to the status that it is refused with.
        budgets: Path to the bytes that each coming answer is cut at.
        requests: Path and range of every request.
        headers: The headers of every request.
        knows_ranges: Whether ranges are answered.
    """

    address: str = ""
    contents: dict[str, bytes] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    statuses: dict[str, int] = field(default_factory=dict)
    budgets: dict[str, list[int]] = field(default_factory=dict)
    requests: list[tuple[str, str | None]] = field(default_factory=list)
    headers: list[Mapping[str, str]] = field(default_factory=list)
    knows_ranges: bool = True

    def offer(self, files: Mapping[str, bytes], *, commit: str = COMMIT) -> None:
        """Serve files as a repository of the hub."""
        siblings: list[dict[str, object]] = []
        for name, content in files.items():
            self.contents[f"/{HUB_ID}/resolve/{commit}/{name}"] = content
            blob = f"blob {len(content)}\0".encode() + content
            sibling: dict[str, object] = {
                "rfilename": name,
                "size": len(content),
                "blobId": hashlib.sha1(blob, usedforsecurity=False).hexdigest(),
            }
            if name.endswith(".safetensors"):
                sha256 = hashlib.sha256(content).hexdigest()
                sibling["lfs"] = {"sha256": sha256, "size": len(content)}
            siblings.append(sibling)
        answer = json.dumps({"sha": commit, "siblings": siblings}).encode()
        for revision in ("main", commit):
            self.contents[f"/api/models/{HUB_ID}/revision/{revision}"] = answer

    def ranges(self, ending: str) -> list[str | None]:
        """Return the ranges that were asked for of a path with this ending."""
        return [asked for path, asked in self.requests if path.endswith(ending)]


def handler_of(site: Site) -> type[BaseHTTPRequestHandler]:
    """Make the class that answers for ``site``."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = urlsplit(self.path).path
            asked = self.headers.get("Range")
            site.requests.append((path, asked))
            site.headers.append(dict(self.headers))
            if path in site.redirects:
                self.send_response(302)
                self.send_header("Location", site.redirects[path])
                self.send_header("Set-Cookie", "seen=1; Path=/")
                self.end_headers()
                return
            content = site.contents.get(path)
            if content is None:
                self.send_error(site.statuses.get(path, 404))
                return
            first = 0
            if asked and site.knows_ranges:
                first = int(asked.removeprefix("bytes=").rstrip("-"))
                self.send_response(206)
            else:
                self.send_response(200)
            body = content[first:]
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            budgets = site.budgets.get(path)
            self.wfile.write(body[: budgets.pop(0)] if budgets else body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            pass

    return Handler


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Return a running server with nothing on it."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    offered = Site()
    with ThreadingHTTPServer(("127.0.0.1", 0), handler_of(offered)) as server:
        offered.address = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield offered
        server.shutdown()
        thread.join()


@pytest.fixture
def web(site: Site) -> Web:
    """Return a web of that server alone."""
    return Web(AllowList(places=[site.address]), timeout_s=60)


def tokenizer_with(sentinels: Iterable[str]) -> bytes:
    """Make a byte-level tokenizer as Qwen's, in its own JSON."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {char: at for at, char in enumerate(alphabet)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_tokens(
        [AddedToken(name, special=False, normalized=False) for name in sentinels]
    )
    return tokenizer.to_str().encode()


@pytest.fixture
def tokenizer_without_sentinels() -> bytes:
    """Return the tokenizer of a model that cannot fill in the middle."""
    return tokenizer_with([])


@pytest.fixture
def mirrored_folder(
    model_folder: Path, describe_again: Callable[[Path], object]
) -> Path:
    """Return a whole model folder whose tokenizer knows the family's sentinels."""
    content = tokenizer_with(sorted(FAMILIES["midfill"].sentinels))
    (model_folder / "tokenizer.json").write_bytes(content)
    describe_again(model_folder)
    return model_folder


@pytest.fixture
def repository(tmp_path: Path, write_weights: WriteWeights) -> dict[str, bytes]:
    """Return the files of a small GPTQ checkpoint, as the hub has them."""
    path = tmp_path / "weights.safetensors"
    write_weights(path, {"a.weight": ("BF16", (64, 64)), "b.weight": ("F16", (3,))})
    config = {
        "architectures": ["Qwen2ForCausalLM"],
        "max_position_embeddings": 512,
        "torch_dtype": "float16",
        "quantization_config": {
            "quant_method": "gptq",
            "bits": 4,
            "group_size": 128,
            "sym": True,
            "desc_act": False,
        },
    }
    return {
        ".gitattributes": b"*.safetensors filter=lfs",
        "README.md": b"# Tiny",
        "LICENSE": b"Apache",
        "config.json": json.dumps(config).encode(),
        "tokenizer.json": tokenizer_with(sorted(FAMILIES["qwen2.5-coder"].sentinels)),
        "tokenizer_config.json": b'{"chat_template": "{{ x }}", "bos_token": "<s>"}',
        "model.safetensors": path.read_bytes(),
    }


def entry_of(**changes: object) -> Entry:
    """Make an entry for the small checkpoint; ``changes`` are of its checkpoint."""
    stated: dict[str, object] = {
        "hub_id": HUB_ID,
        "revision": None,
        "method": "gptq",
        "bits": 4,
        "group_size": None,
        "sym": None,
        "desc_act": None,
        "weights_bytes": None,
        "sha256": {},
    }
    return Entry(
        name="tiny",
        family="qwen2.5-coder",
        base="maker/tiny",
        parameters=1234,
        active_parameters=None,
        licence="Apache-2.0",
        context_length=1024,
        shipped=False,
        note="",
        architecture=Architecture(
            layers=2,
            kv_heads=2,
            head_dim=64,
            hidden_size=128,
            vocabulary=1000,
            latent_width=None,
        ),
        checkpoint=Checkpoint(**(stated | changes)),  # type: ignore[arg-type]  # the table above has the types
        sources={"card": "https://example.com", "checkpoint": "https://example.com"},
    )


@pytest.fixture
def make_entry() -> Callable[..., Entry]:
    """Return the maker of entries."""
    return entry_of


@pytest.fixture
def versions(
    mirrored_folder: Path, describe_again: Callable[[Path], object]
) -> Versions:
    """Return a model with an old and with a new licence, and other weights."""
    found = []
    weights = (mirrored_folder / WEIGHTS).read_bytes()
    for licence, last in ((b"old", b"\1"), (b"newer", b"\2")):
        (mirrored_folder / "LICENSE").write_bytes(licence)
        (mirrored_folder / WEIGHTS).write_bytes(weights[:-1] + last)
        describe_again(mirrored_folder)
        found.append({p.name: p.read_bytes() for p in mirrored_folder.iterdir()})
    return Versions(*found)


@pytest.fixture
def puller(tmp_path: Path, site: Site, web: Web, versions: Versions) -> Puller:
    """Return a puller that has pulled the old model; the new one is offered."""
    made = Puller(tmp_path / "models", site, web)
    offer(site, versions.old)
    made()
    offer(site, versions.new)
    site.requests.clear()
    made.said.clear()
    return made


@pytest.fixture
def fresh(tmp_path: Path, site: Site, web: Web, versions: Versions) -> Puller:
    """Return a puller into an empty folder, from a source with the old model."""
    offer(site, versions.old)
    return Puller(tmp_path / "models", site, web)


@pytest.fixture
def hub_puller(
    tmp_path: Path, site: Site, web: Web, make_entry: Callable[..., Entry]
) -> HubPuller:
    """Return a puller of the small model into an empty folder."""
    return HubPuller(tmp_path / "models", site, web, make_entry())


@pytest.fixture
def offered(hub_puller: HubPuller, repository: dict[str, bytes]) -> HubPuller:
    """Return a puller whose hub offers the small checkpoint."""
    hub_puller.site.offer(repository)
    return hub_puller
