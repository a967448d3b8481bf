"""Makes what the services of compose.yml need to know of each other.

``python make_secrets.py FOLDER`` writes one folder for each volume, for its reader
alone: API keys, a key for /metrics, the store's identities, and Grafana's password.
What is there stays. It runs as root, with what giving files away needs.
"""

import json
import os
import secrets
import sys
import time
from collections.abc import Callable
from pathlib import Path

from lsp_server.access.keys import (
    Route,
    StoredKey,
    digest_of,
    new_key_id,
    new_secret,
    time_text,
)

MIDFILL, PROMETHEUS, GRAFANA = 10001, 65534, 472
"""The users of the images."""

MODELS = "models"
"""The bucket."""

READING = ("Read", "List")
WRITING = (*READING, "Write", "Tagging")


def new_identity(name: str, actions: tuple[str, ...]) -> dict[str, object]:
    """Return an identity of SeaweedFS, and what it may do in the bucket."""
    credentials = {
        "accessKey": secrets.token_hex(10),
        "secretKey": secrets.token_urlsafe(30),
    }
    allowed = [f"{action}:{MODELS}" for action in actions]
    return {"name": name, "credentials": [credentials], "actions": allowed}


def metrics_key(secret: Path) -> StoredKey:
    """Return what the server stores of the key with which metrics are read."""
    return StoredKey(
        id=new_key_id(),
        name="prometheus",
        sha256=digest_of(secret.read_text(encoding="utf-8")).hex(),
        created=time_text(time.time()),
        routes=(Route.METRICS,),
    )


def credentials_of(store: Path, name: str) -> str:
    """Return an identity's credentials as AWS' clients read them."""
    identities = json.loads(store.read_text(encoding="utf-8"))["identities"]
    [found] = [each for each in identities if each["name"] == name]
    pair = found["credentials"][0]
    return (
        "[default]\n"
        f"aws_access_key_id = {pair['accessKey']}\n"
        f"aws_secret_access_key = {pair['secretKey']}\n"
    )


def write(path: Path, owner: int, make: Callable[[], str]) -> None:
    """Write a file for its owner alone, whole or not at all, unless it is there."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}")
    unfinished.write_text(make(), encoding="utf-8")
    unfinished.chmod(0o600)
    os.chown(unfinished, owner, owner)
    unfinished.replace(path)
    os.chown(path.parent, owner, owner)
    print(f"made {path}")


def main(folder: Path) -> None:
    """Make what is missing; others follow from what is there."""
    metrics = folder / "metrics-key" / "metrics"
    write(metrics, PROMETHEUS, new_secret)
    keys = folder / "keys" / "keys.jsonl"
    write(keys, MIDFILL, lambda: f"{metrics_key(metrics).line}\n")
    data = folder / "store-data"
    data.mkdir(exist_ok=True)
    os.chown(data, MIDFILL, MIDFILL)
    store = folder / "store-config" / "s3.json"
    identities = [new_identity("writer", WRITING), new_identity("reader", READING)]
    write(store, MIDFILL, lambda: json.dumps({"identities": identities}, indent=2))
    for name in ("writer", "reader"):
        made = folder / f"model-{name}" / "credentials"
        write(made, MIDFILL, lambda name=name: credentials_of(store, name))
    password = folder / "grafana-password" / "password"
    write(password, GRAFANA, lambda: secrets.token_urlsafe(18))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
