"""An image, a store with a model, keys and a server in a container: each made once."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "servers"))

from containers import build, once
from free_ports import free_port
from image_stack import ROOT, SOURCE, Served, keys, push, using, wait_for

from lsp_server.config import SHIPPED_MODEL

WEED = ROOT / ".venv-deploy" / "bin" / "weed"


@pytest.fixture(scope="module", autouse=True)
def image(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Build the image, from Debian's packages up."""
    build(tmp_path_factory.mktemp("image"))


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make what compose.yml's services need to know of each other."""
    folder = tmp_path_factory.mktemp("secrets")
    # pytest's own folders are closed to others, and those of the container are others.
    for parent in (folder, *folder.parents[:2]):
        parent.chmod(0o755)
    script = ROOT / "deploy" / "docker" / "make_secrets.py"
    subprocess.run([sys.executable, script, folder], check=True, timeout=60)
    return folder


@pytest.fixture(scope="module")
def store(secrets: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run SeaweedFS with the model in it, and return its address."""
    if not WEED.exists():
        pytest.skip("SeaweedFS is not installed: make install-deploy")
    port, master, folder = free_port(), free_port(), tmp_path_factory.mktemp("weed")
    ports = {"s3.port": port, "master.port": master, "s3.port.iceberg": 0}
    others = ("volume.port", "filer.port", "s3.port.grpc", "master.port.grpc")
    ports |= {name: free_port() for name in (*others, "volume.port.grpc")}
    ports["filer.port.grpc"] = free_port()
    command = [str(WEED), "server", f"-dir={folder}", "-filer", "-s3"]
    command += ["-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-volume.max=100"]
    command += [f"-s3.config={secrets}/store-config/s3.json"]
    command += ["-master.volumeSizeLimitMB=256"]
    command += [f"-{name}={value}" for name, value in ports.items()]
    address = f"http://127.0.0.1:{port}"
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
    try:
        wait_for(f"{address}/healthz")
        subprocess.run(
            [WEED, "shell", f"-master=127.0.0.1:{master}.{ports['master.port.grpc']}"],
            input=b"s3.bucket.create -name models\n",
            check=True,
            timeout=60,
        )
        pushed = push(address, secrets)
        assert 0 == pushed.returncode, pushed.stderr
        yield address
    finally:
        process.terminate()
        process.wait(60)


@pytest.fixture(scope="module")
def models(store: str, secrets: Path) -> Iterator[str]:
    """Return a volume into which the model was pulled."""
    volume = "midfill-test-models"
    subprocess.run(["podman", "volume", "rm", "--force", volume], check=False)
    mounted = f"--volume={volume}:/var/lib/midfill/models"
    words = ("models", "pull", SHIPPED_MODEL, "--from", SOURCE)
    pulled = once(*words, options=[mounted, *using(store, secrets, "reader")])
    assert 0 == pulled.returncode, pulled.stderr
    yield volume
    subprocess.run(["podman", "volume", "rm", "--force", volume], check=False)


@pytest.fixture(scope="module")
def key(secrets: Path) -> str:
    """Make a key, as `docker compose run keys create` does."""
    made = keys(secrets, "create", "alice")
    assert 0 == made.returncode, made.stderr
    return made.stdout.strip()


@pytest.fixture(scope="module")
def served(models: str, secrets: Path, key: str) -> Iterator[Served]:
    """Start the server, and wait until its probe says that it completes."""
    made = Served(models, secrets, key)
    try:
        assert f"ready: {SHIPPED_MODEL}" == made.container.wait_until_healthy(600)
        yield made
    finally:
        made.client.close()
        made.container.remove()
