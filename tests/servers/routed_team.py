"""Team servers behind the overlay's own vllm-router and HAProxy, on this machine."""

import contextlib
import os
import re
import shutil
import ssl
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any  # manifests, read as they stand

import httpx
from free_ports import free_port
from manifests import OVERLAYS, TOOLS, built, pods_of
from obtain.debian import install_on_system
from team_server import write_certificate

from lsp_server.access.keys import StoredKey, digest_of, new_secret

__all__ = [
    "KEYS",
    "LIMIT_S",
    "Server",
    "Team",
    "alone_router",
    "answerers",
    "pod_of",
    "routed_team",
    "team_servers",
]

KEYS = (new_secret(), new_secret())
LIMIT_S = 240.0
"""Far more than anything takes, where others keep the machine busy as well."""

_LINES = "\n".join(
    StoredKey(id=f"k_0000000{number}", name="test", sha256=digest_of(key).hex()).line
    for number, key in enumerate(KEYS)
)
_MORE = [f"part{number}" for number in range(600)]
_DOMAIN = ".midfill.svc.cluster.local"
_WORKERS_ARE_FOUND = (
    "--service-discovery",
    "--selector",
    "app.kubernetes.io",
    "--host",
)


@dataclass(slots=True, kw_only=True)
class Server:
    """A team server without TLS, as in a pod of the overlay.

    Attributes:
        process: Its process.
        log: Where it logs.
        port: Where it listens; 0 until it does.
    """

    process: "subprocess.Popen[bytes]"
    log: Path
    port: int = 0

    def said(self) -> str:
        return self.log.read_text(encoding="utf-8")


@dataclass(frozen=True, slots=True, kw_only=True)
class Team:
    """The servers and the address in front of them.

    Attributes:
        servers: The servers; each completes with its own number.
        proxy: The address of all.
        router: The address of vllm-router.
        tls: What trusts the proxy.
    """

    servers: Sequence[Server]
    proxy: str
    router: str
    tls: ssl.SSLContext

    def client(self, key: int = 0) -> httpx.Client:
        """Return a client of the proxy that has a key."""
        headers = {"Authorization": f"Bearer {KEYS[key]}"}
        return httpx.Client(
            base_url=self.proxy, headers=headers, verify=self.tls, timeout=LIMIT_S
        )


def answerers(client: httpx.Client, documents: Sequence[str]) -> "Counter[str]":
    """Ask once about each document, and return who answered how often."""
    found: Counter[str] = Counter()
    for number, document in enumerate(documents):
        body = {"prompt": f"x{number} = ", "suffix": "\n", "max_tokens": 4}
        headers = {"x-session-id": document} if document else {}
        answer = client.post("/v1/completions", json=body, headers=headers)
        assert answer.is_success, answer.text
        found[answer.json()["choices"][0]["text"].split()[0]] += 1
    return found


@contextlib.contextmanager
def team_servers(
    folder: Path, count: int, settings: dict[str, str] | None = None
) -> Iterator[list[Server]]:
    """Run team servers with the scripted engine, which need keys and have no TLS."""
    made: list[Server] = []
    try:
        for number in range(count):
            log = folder / f"server-{number}.log"
            environment = {
                "MIDFILL_ENGINE_KIND": "scripted",
                "MIDFILL_SCRIPTED_TEXT": " + ".join([f"server{number}", *_MORE]),
                "MIDFILL_SCRIPTED_TOKEN_DELAY_MS": "10",
                "MIDFILL_COMPLETION_CACHE": "false",
                # However late the answers are on a busy machine.
                "MIDFILL_ADMISSION_MAX_WAIT_MS": "0",
                "MIDFILL_KEYS": _LINES,
            }
            arguments = [*pod_of("midfill")["args"]]
            assert "--listen=0.0.0.0:8012" == arguments[1]
            arguments[1] = "--listen=127.0.0.1:0"
            with log.open("wb") as stderr:
                process = subprocess.Popen(
                    [sys.executable, "-m", "lsp_server", *arguments],
                    env=os.environ | environment | (settings or {}),
                    stderr=stderr,
                )
            made.append(Server(process=process, log=log))
        for server in made:
            server.port = _port_of(server)
        yield made
    finally:
        for server in made:
            server.process.kill()
            server.process.wait()


@contextlib.contextmanager
def routed_team(folder: Path, count: int = 2) -> Iterator[Team]:
    """Run team servers behind the overlay's router and proxy.

    Raises:
        UnobtainableError: There is no HAProxy here, and none can be installed.
    """
    if shutil.which("haproxy") is None:
        install_on_system(["haproxy"])
    with team_servers(folder, count) as servers, contextlib.ExitStack() as stack:
        router, proxy = free_port(), free_port()
        environment = {
            each["name"]: each["value"] for each in pod_of("midfill-router")["env"]
        }
        command = _router_command(router, servers)
        _run(stack, folder, "router", command, environment)
        certificate = folder / "tls.crt"
        write_certificate(certificate)
        file = folder / "haproxy.cfg"
        file.write_text(_proxy_settings(certificate, proxy, router, servers))
        _run(stack, folder, "haproxy", ["haproxy", "-db", "-f", str(file)])
        team = Team(
            servers=servers,
            proxy=f"https://127.0.0.1:{proxy}",
            router=f"http://127.0.0.1:{router}",
            tls=ssl.create_default_context(cafile=certificate),
        )
        _wait_until_all_answer(team)
        yield team


@contextlib.contextmanager
def alone_router(folder: Path) -> Iterator[str]:
    """Run the overlay's router without a server, and yield its address."""
    port = free_port()
    with contextlib.ExitStack() as stack:
        _run(stack, folder, "alone", _router_command(port, ()))
        url, until_s = f"http://127.0.0.1:{port}", time.monotonic() + LIMIT_S
        while True:
            try:
                httpx.get(url)
                break
            except httpx.TransportError:
                if time.monotonic() > until_s:
                    raise
                time.sleep(0.1)
        yield url


def pod_of(deployment: str) -> Any:  # noqa: ANN401 - as above
    """Return the container of a Deployment of the overlay."""
    template: Any = dict(pods_of(built("team")))[deployment]
    return template["spec"]["containers"][0]


def _router_command(port: int, servers: Sequence[Server]) -> list[str]:
    """Return the overlay's command, told its workers instead of finding them."""
    arguments = [
        each
        for each in pod_of("midfill-router")["args"]
        if not each.startswith((*_WORKERS_ARE_FOUND, "--port="))
    ]
    workers = [f"http://127.0.0.1:{server.port}" for server in servers]
    monitor = ["--prometheus-port", str(free_port())]
    fast = ["--worker-startup-check-interval", "1"]
    return [
        str(TOOLS / "vllm-router"),
        *("--host", "127.0.0.1", "--port", str(port), *arguments),
        *("--worker-urls", *workers, *monitor, *fast),
    ]


def _proxy_settings(
    certificate: Path, port: int, router: int, servers: Sequence[Server]
) -> str:
    """Return the overlay's settings with the addresses of this machine."""
    text = (OVERLAYS / "team" / "haproxy.cfg").read_text(encoding="utf-8")
    lines = "\n".join(
        f"  server server{number} 127.0.0.1:{server.port}"
        for number, server in enumerate(servers)
    )
    for before, after in (
        # Both parts are in one file here.
        ("/etc/midfill/tls/tls.crt", str(certificate)),
        ("bind :8443", f"bind 127.0.0.1:{port}"),
        (f"midfill-router{_DOMAIN}:8000", f"127.0.0.1:{router}"),
        ("resolvers kubernetes init-addr none\n", "\n"),
    ):
        assert before in text
        text = text.replace(before, after)
    template = f"  server-template server 1-32 midfill{_DOMAIN}:8012 "
    assert template in text
    return re.sub(f"{re.escape(template)}.*", lines, text)


def _run(
    stack: contextlib.ExitStack,
    folder: Path,
    name: str,
    command: Sequence[str],
    environment: dict[str, str] | None = None,
) -> None:
    """Run a program until the stack ends."""
    log = stack.enter_context((folder / f"{name}.log").open("wb"))
    process = subprocess.Popen(
        command, env=os.environ | (environment or {}), stdout=log, stderr=log
    )
    stack.callback(process.wait)
    stack.callback(process.kill)


def _port_of(server: Server) -> int:
    """Wait until a server listens and its engine is ready."""
    until_s = time.monotonic() + LIMIT_S
    while time.monotonic() < until_s and server.process.poll() is None:
        found = re.search(r"listen\.ready port=(\d+)", server.said())
        if found and "state='ready'" in server.said():
            return int(found[1])
        time.sleep(0.05)
    raise TimeoutError(server.said())


def _wait_until_all_answer(team: Team) -> None:
    """Wait until a completion comes by way of both, and by way of the proxy alone."""
    until_s = time.monotonic() + LIMIT_S
    with team.client() as client:
        while time.monotonic() < until_s:
            with contextlib.suppress(httpx.TransportError):
                asked = client.post("/v1/completions", json={"prompt": "x"})
                if asked.is_success and client.get("/v1/models").is_success:
                    return
            time.sleep(0.1)
    raise TimeoutError("the proxy or the router does not answer")
