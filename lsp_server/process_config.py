"""The settings of a process that many editors and clients share.

No editor offers or changes them: they hold for everybody on the process. `config` puts
them beside the sections of a single editor.
"""

import enum
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import Field, StrictBool, StrictStr

from lsp_server.raw_settings import DaemonMode

__all__ = [
    "MOST",
    "PROCESS_SECTIONS",
    "AccessConfig",
    "AdmissionConfig",
    "Bytes",
    "Count",
    "DaemonConfig",
    "DaemonTransport",
    "ListenConfig",
    "MetricsConfig",
    "ModelsConfig",
    "Positive",
    "RestConfig",
]

MOST = 1_000_000_000
"""No count or duration needs more, and larger ones overflow in libraries."""

_MOST_BYTES = 1_000_000_000_000_000

_MOST_FRONT_ENDS = 64

Count = Annotated[int, Field(strict=True, ge=0, le=MOST)]
Positive = Annotated[int, Field(strict=True, ge=1, le=MOST)]
Bytes = Annotated[int, Field(strict=True, ge=0, le=_MOST_BYTES)]

PROCESS_SECTIONS = frozenset(
    {"access", "admission", "listen", "metrics", "models", "rest"}
)
"""The names of these sections that editors do not offer."""

_PUBLIC_KEY = "ed25519:[A-Za-z0-9+/]{43}="


class DaemonTransport(enum.Enum):
    """How processes of this machine reach the daemon."""

    UNIX = "unix"
    TCP = "tcp"


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmissionConfig:
    """How many requests the engine is given, and how many may wait for it.

    Attributes:
        running_limit: Most requests in the engine at a time; 0 takes
            ``engine.max_num_seqs``, on a CPU four for each core if that is less.
        queue_length: Most requests that wait; then the newest of whoever has the most
            waiting is refused.
        per_user: Most requests of one user, that is of one editor or API key, that
            wait.
        max_wait_ms: Most time that a request which nobody asked for by hand may wait;
            it is refused at once if more than a quarter of that is to be expected. 0 is
            without a limit, also while the server itself is behind.
        joined_start_ms: While a GPU works for eight requests or more, those that come
            within this time behind another begin together, as each start slows the
            others down; 0 begins each at once. A request by hand never waits for it.
        drain_ms: When the server is asked to end, most time that requests have to be
            completed; then they are aborted.
    """

    running_limit: Count = 0
    queue_length: Positive = 256
    per_user: Positive = 32
    max_wait_ms: Count = 750
    joined_start_ms: Count = 40
    drain_ms: Count = 30_000


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessConfig:
    """Who may use a server that listens, and what is recorded of it.

    Attributes:
        keys_file: The file of API keys; empty for ``midfill/keys.jsonl`` in the user's
            XDG configuration folder.
        log: The access log: a file, ``stderr``, or empty for none.
        hosts: Names that clients may call the server by, separated by spaces, beside
            ``localhost`` and IP addresses.
        origins: Origins of web pages that may use the server, such as
            ``https://ide.example``, separated by spaces.
        insecure_listen: Whether to listen on an address that others reach even
            without TLS or without API keys.
    """

    keys_file: StrictStr = ""
    log: StrictStr = "stderr"
    hosts: StrictStr = ""
    origins: StrictStr = ""
    insecure_listen: StrictBool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonConfig:
    """The process that holds one engine for every editor.

    Attributes:
        mode: ``auto`` attaches to the daemon, starts it if there is none, and loads an
            engine for this editor alone if that fails; ``never`` loads it at once,
            ``require`` does not load it at all.
        transport: A Unix socket, or a port of the loopback interface with a token.
        idle_exit_s: The daemon ends after this many seconds without an editor; 0 never.
            With ``rest.listen`` set, it never does.
        max_engines: Most engines side by side, where editors ask for different models.
        url: The address of a team server that completes instead of a daemon of this
            machine, such as ``wss://complete.example:8443/lsp``; empty for none. Its
            API key stands in the variable ``MIDFILL_API_KEY`` or in ``key_file``.
        key_file: A file that only its user may read, with the API key for ``url``.
        ca_file: A PEM file with the certificates that ``url`` is checked by; empty for
            those of the system.
    """

    mode: DaemonMode = DaemonMode.AUTO
    transport: DaemonTransport = DaemonTransport.UNIX
    idle_exit_s: Count = 900
    max_engines: Positive = 1
    url: StrictStr = ""
    key_file: StrictStr = ""
    ca_file: StrictStr = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RestConfig:
    """The REST API.

    Attributes:
        listen: Where the daemon serves it, as ``HOST:PORT``; empty for nowhere.
        aliases: Names that mean the first model as well, separated by spaces, for
            clients that cannot leave a model's name out; ``*`` is any name.
        max_tokens: Most tokens that one answer may have.
        max_body_bytes: The largest request.
        chat_template: The chat template of an instruct model: ``chatml``, or a file;
            empty where the model is not for chats. A template that comes with a model
            is never run.
    """

    listen: StrictStr = ""
    aliases: StrictStr = ""
    max_tokens: Positive = 4096
    max_body_bytes: Annotated[int, Field(strict=True, ge=1024, le=1 << 30)] = 4_194_304
    chat_template: StrictStr = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsConfig:
    """Where metrics and traces go.

    Attributes:
        listen: Where Prometheus may read the metrics, a loopback address and a port
            such as ``127.0.0.1:9464``; empty is nowhere. The REST API has them, too.
        otlp_endpoint: The OpenTelemetry collector that gets a trace of each request,
            by OTLP over HTTP, such as ``http://127.0.0.1:4318``; empty sends none.
        kept_after_s: After this many seconds it is counted whether an accepted
            suggestion still stands in its document.
    """

    listen: StrictStr = ""
    otlp_endpoint: StrictStr = ""
    kept_after_s: Positive = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenConfig:
    """Where a team server listens: ``midfill serve --listen``.

    Attributes:
        address: Where it speaks HTTP, as ``HOST:PORT``: the REST API, and LSP over the
            websocket ``/lsp``.
        tcp_address: Where it speaks LSP over TCP besides; empty for nowhere.
        tls_certificate: A PEM file with the certificate and those that it depends on;
            empty for no TLS.
        tls_key: A PEM file with the private key; empty if the other file holds it.
        max_editors: Most editors that are connected at a time; each front end takes its
            share of them.
        front_ends: Processes that serve the clients, all on one engine, where one core
            is too little: 2 for 100 people who type at a GPU. On Linux alone.
    """

    address: StrictStr = ""
    tcp_address: StrictStr = ""
    tls_certificate: StrictStr = ""
    tls_key: StrictStr = ""
    max_editors: Positive = 512
    front_ends: Annotated[int, Field(strict=True, ge=1, le=_MOST_FRONT_ENDS)] = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelsConfig:
    """Whose models are trusted; what an editor or a workspace sends does not count.

    Attributes:
        trusted_keys: Public keys as ``midfill models keygen`` prints them, separated by
            spaces. A model that is signed must be signed with one of them.
        require_signature: Whether models without such a signature are neither fetched
            nor loaded; those that come with Midfill need none.
    """

    trusted_keys: Annotated[
        StrictStr,
        Field(
            pattern=rf"^\s*({_PUBLIC_KEY}(\s+|$))*$",
            description="keys as `midfill models keygen` prints them",
        ),
    ] = ""
    # A typing error must not switch a protection off.
    require_signature: StrictBool = field(default=False, metadata={"if_wrong": True})
