"""A real S3-compatible store on this machine: SeaweedFS, with three users."""

import contextlib
import json
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import BotoCoreError, ClientError

ROOT = Path(__file__).parents[2]
WEED = ROOT / ".venv-deploy" / "bin" / "weed"
BUCKET = "models"
SECRET = "a-secret-that-nobody-may-read"
READY_S = 240
READER, WRITER, ADMIN = "reader", "writer", "admin"
_RIGHTS = {
    ADMIN: ["Admin", "Read", "Write", "List"],
    WRITER: [f"Read:{BUCKET}", f"Write:{BUCKET}", f"List:{BUCKET}"],
    READER: [f"Read:{BUCKET}", f"List:{BUCKET}"],
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectStore:
    """A running store.

    Attributes:
        address: Its origin.
        folder: Where it keeps its files.
    """

    address: str
    folder: Path

    def environment(self, user: str) -> dict[str, str]:
        """Return the AWS variables of one of its users."""
        nothing = str(self.folder / "no-aws-file")
        return {
            "AWS_ENDPOINT_URL": self.address,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": user,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_CONFIG_FILE": nothing,
            "AWS_SHARED_CREDENTIALS_FILE": nothing,
            "AWS_MAX_ATTEMPTS": "2",
            "MIDFILL_REGISTRY_SOURCES": f"s3://{BUCKET} {self.address}",
        }

    def client(self) -> Any:  # noqa: ANN401 - boto3 has no types
        """Return a client that may do everything."""
        return boto3.client(
            "s3",
            endpoint_url=self.address,
            region_name="us-east-1",
            aws_access_key_id=ADMIN,
            aws_secret_access_key=SECRET,
        )

    def make_bucket(self) -> None:
        """Make the bucket anew, once the store is able to."""
        client = self.client()
        deadline_s = time.monotonic() + READY_S
        while True:
            try:
                client.create_bucket(Bucket=BUCKET)
            except (BotoCoreError, ClientError) as exc:
                # Too early it answers with InternalError.
                if "BucketAlready" in str(exc):
                    return
                if time.monotonic() > deadline_s:
                    raise
                time.sleep(0.2)
            else:
                return

    def remove_bucket(self) -> None:
        """Remove the bucket and all that is in it."""
        for name in self.names():
            self.client().delete_object(Bucket=BUCKET, Key=name)
        self.client().delete_bucket(Bucket=BUCKET)

    def names(self, prefix: str = "") -> list[str]:
        """Return the keys of the bucket."""
        found = self.client().list_objects_v2(Bucket=BUCKET, Prefix=prefix)
        return [each["Key"] for each in found.get("Contents", ())]


@contextlib.contextmanager
def object_store(folder: Path) -> Iterator[ObjectStore]:
    """Run a store with an empty bucket while the context lasts."""
    if not WEED.exists():
        pytest.skip("SeaweedFS is not there: make install-deploy")
    users = [
        {
            "name": name,
            "credentials": [{"accessKey": name, "secretKey": SECRET}],
            "actions": rights,
        }
        for name, rights in _RIGHTS.items()
    ]
    (folder / "users.json").write_text(json.dumps({"identities": users}))
    ports = dict(zip(("master", "volume", "filer", "s3"), _free_ports(), strict=True))
    command = [
        *(str(WEED), f"-logdir={folder}"),
        *("server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-dir={folder}"),
        *("-master.volumeSizeLimitMB=1024", "-volume.max=100", "-filer", "-s3"),
        *(f"-{part}.port={port}" for part, port in ports.items()),
        *(f"-{part}.port.grpc={port + 10_000}" for part, port in ports.items()),
        *(f"-s3.config={folder / 'users.json'}", "-master.telemetry=false"),
        *("-s3.port.iceberg=0", "-s3.port.lance=0"),
    ]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
        try:
            store = ObjectStore(
                address=f"http://127.0.0.1:{ports['s3']}", folder=folder
            )
            store.make_bucket()
            yield store
        finally:
            process.kill()
            process.wait()
            for part, port in ports.items():
                for name in (f"{part}-{port}", f"{part}-grpc-{port + 10_000}"):
                    Path(f"/tmp/seaweedfs-{name}.sock").unlink(missing_ok=True)


def _free_ports() -> list[int]:
    """Return four ports that are free, and whose gRPC neighbours are."""
    found: list[int] = []
    with contextlib.ExitStack() as stack:
        while len(found) < 4:
            opened = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            port = opened.getsockname()[1]
            with contextlib.suppress(OSError, OverflowError):
                stack.enter_context(socket.create_server(("127.0.0.1", port + 10_000)))
                found.append(port)
    return found
