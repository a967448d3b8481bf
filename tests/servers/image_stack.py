"""What stands around a container of Midfill: a store, its clients, keys, a client."""

import time
from pathlib import Path

import httpx
from containers import Container, Done, once
from free_ports import free_port

from lsp_server.config import SHIPPED_MODEL

ROOT = Path(__file__).resolve().parents[2]
SOURCE = f"s3://models/{SHIPPED_MODEL}"
PROMPT = {"prompt": "def add(a, b):\n    return ", "suffix": "\n", "max_tokens": 8}


def wait_for(url: str) -> None:
    """Wait until a server answers with 200."""
    ends_s = time.monotonic() + 60
    while time.monotonic() < ends_s:
        try:
            if httpx.get(url).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    raise TimeoutError(url)


def push(address: str, secrets: Path) -> Done:
    """Put the model into the store from a container, as compose.yml does."""
    model = f"--volume={ROOT}/models/{SHIPPED_MODEL}:/model:ro"
    options = [model, *using(address, secrets, "writer")]
    return once("models", "push", "/model", SOURCE, options=options)


def using(store: str, secrets: Path, name: str) -> list[str]:
    """Return podman's options for a container that uses the store by an identity."""
    settings = {
        "AWS_ENDPOINT_URL_S3": store,
        "AWS_REGION": "us-east-1",
        "AWS_SHARED_CREDENTIALS_FILE": "/etc/midfill/store/credentials",
        "MIDFILL_REGISTRY_SOURCES": f"s3://models {store}",
    }
    identity = f"--volume={secrets}/model-{name}:/etc/midfill/store:ro"
    return [identity, *(f"--env={each}={value}" for each, value in settings.items())]


def keys(secrets: Path, *words: str) -> Done:
    """Run `midfill keys` in a container that may write the volume of keys."""
    return once("keys", *words, options=[f"--volume={secrets}/keys:/etc/midfill/keys"])


class Served:
    """A server in a container, and a client with a key."""

    def __init__(self, models: str, secrets: Path, key: str) -> None:
        address = f"127.0.0.1:{free_port()}"
        self.container = Container(
            "midfill-test",
            *("serve", "--listen", address, "--model", SHIPPED_MODEL),
            options=[
                f"--volume={models}:/var/lib/midfill/models:ro",
                f"--volume={secrets}/keys:/etc/midfill/keys:ro",
            ],
        )
        headers = {"Authorization": f"Bearer {key}"}
        self.client = httpx.Client(
            base_url=f"http://{address}", headers=headers, timeout=60
        )

    def complete(self, **fields: object) -> httpx.Response:
        return self.client.post("/v1/completions", json=PROMPT | fields)
