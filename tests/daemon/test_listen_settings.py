"""What a team server gets at its start: address, certificate and model."""

import os
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from team_server import SERVE, write_certificate

from lsp_server.daemon.tls import Certificate
from lsp_server.errors import ConfigError
from lsp_server.rest.serve import split_address

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:0", "192.0.2.7:0"])
def test_a_public_address_is_refused_without_tls_and_keys(
    address: str, tmp_path: Path
) -> None:
    """The message says which words it takes."""
    done = subprocess.run(
        [*SERVE, "--listen", address],
        env=os.environ | {"MIDFILL_ENGINE_KIND": "scripted", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert 1 == done.returncode
    assert "no TLS" in done.stderr
    assert "insecure" in done.stderr


@pytest.mark.parametrize("front_ends", ["1", "2"])
def test_a_port_that_is_taken_is_named(front_ends: str, tmp_path: Path) -> None:
    """In a sentence, without a traceback."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = subprocess.run(
            [*SERVE, "--listen", f"127.0.0.1:{taken.getsockname()[1]}"],
            env=os.environ
            | {"HOME": str(tmp_path), "MIDFILL_LISTEN_FRONT_ENDS": front_ends},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    assert 1 == done.returncode
    assert "listen.address" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_model_that_is_not_there_is_refused_at_the_start(tmp_path: Path) -> None:
    """A service manager sees it, where the log alone would say it."""
    done = subprocess.run(
        [*SERVE, "--listen", "127.0.0.1:0", "--model", "nosuch"],
        env=os.environ | {"HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert 1 == done.returncode
    assert "'nosuch'" in done.stderr
    assert "Traceback" not in done.stderr


def without_gpu(folder: Path) -> dict[str, str]:
    """Return what makes a server take this machine for a node of CUDA without a GPU.

    Its vLLM is the build for CUDA, and its PyTorch finds no GPU.
    """
    (folder / "vllm-0.32.0.dist-info").mkdir()
    metadata = "Metadata-Version: 2.1\nName: vllm\nVersion: 0.32.0\n"
    (folder / "vllm-0.32.0.dist-info" / "METADATA").write_text(metadata)
    (folder / "torch").mkdir()
    (folder / "torch" / "__init__.py").write_text(
        "from types import SimpleNamespace as S\n"
        "version, cuda = S(cuda='13.0'), S(is_available=lambda: False)\n"
    )
    return {
        "MIDFILL_ENGINE_KIND": "vllm",
        "MIDFILL_ENGINE_DEVICE": "cuda",
        "PYTHONPATH": f"{folder}:{ROOT}",
    }


def with_another_model(_folder: Path) -> dict[str, str]:
    """Return settings that ask for a model with another manifest."""
    return {"MIDFILL_ENGINE_KIND": "scripted", "MIDFILL_MODEL_SHA256": "0" * 64}


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (without_gpu, "no GPU answers CUDA 13.0. Check the driver"),
        (with_another_model, "another model than model.sha256 asks for"),
    ],
)
def test_a_server_ends_when_its_engine_is_given_up(
    tmp_path: Path, spoil: Callable[[Path], dict[str, str]], why: str
) -> None:
    """After one attempt, with one sentence and status 1, for its supervisor to see."""
    done = subprocess.run(
        [*SERVE, "--listen", "127.0.0.1:0"],
        env=os.environ | {"HOME": str(tmp_path)} | spoil(tmp_path),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert 1 == done.returncode
    assert why in done.stderr.splitlines()[-1]
    assert 1 == done.stderr.count("state='failed'")
    assert "restarting" not in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture(scope="module")
def pems(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a pair of files, and what may be named in its place by mistake."""
    folder = tmp_path_factory.mktemp("pem")
    for name in ("tls", "other"):
        write_certificate(folder / f"{name}.pem")
    both = (folder / "tls.pem").read_text()
    end = both.index("-----BEGIN PRIVATE KEY")
    (folder / "certificate.pem").write_text(both[:end])
    (folder / "key.pem").write_text(both[end:])
    (folder / "half.pem").write_text(both[: end // 2])
    (folder / "half.key").write_text(both[end : end + 60])
    short = rsa.generate_private_key(65537, 1024)  # noqa: S505 - it is to be refused
    write_certificate(folder / "weak.pem", key=short)
    key = serialization.load_pem_private_key((folder / "key.pem").read_bytes(), None)
    locked = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"sesame"),
    )
    (folder / "locked.key").write_bytes(locked)
    return folder


@pytest.mark.parametrize(
    ("certificate", "key", "what"),
    [
        ("key.pem", "key.pem", "key.pem: this file holds no certificate"),
        ("certificate.pem", "", "certificate.pem: this file holds no private key"),
        ("certificate.pem", "certificate.pem", "holds no private key"),
        ("no.pem", "key.pem", "no.pem: .*No such file"),
        ("certificate.pem", "no.key", "no.key: .*No such file"),
        ("certificate.pem", ".", "it is a folder"),
        ("certificate.pem", "other.pem", "other.pem: .*does not belong .*certificate"),
        ("certificate.pem", "weak.pem", "weak.pem: .*does not belong to .*certificate"),
        ("half.pem", "key.pem", "half.pem: this certificate is damaged"),
        ("certificate.pem", "half.key", "half.key: this private key is damaged"),
        ("certificate.pem", "locked.key", "locked.key: .*has a password"),
        ("weak.pem", "", "weak.pem: .*too small"),
    ],
)
def test_files_that_cannot_be_used_are_named(
    pems: Path, certificate: str, key: str, what: str
) -> None:
    """The one of the two that it is about, and what is wrong with it."""
    with pytest.raises(ConfigError, match=what):
        Certificate(str(pems / certificate), str(pems / key) if key else "")


def test_a_private_key_alone_is_no_tls(pems: Path) -> None:
    """Who names one wants TLS, and must not be served without."""
    done = subprocess.run(
        [*SERVE, "--listen", "127.0.0.1:0", "--tls-key", str(pems / "key.pem")],
        env=os.environ | {"MIDFILL_ENGINE_KIND": "scripted", "HOME": str(pems)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert 1 == done.returncode
    assert "listen.tls_key: there is a private key, and no certificate" in done.stderr


@pytest.mark.parametrize("address", ["127.0.0.1:99999", "[::1]:65536"])
def test_ports_end_at_65535(address: str) -> None:
    """A number that is too large is said to be that, and no wrong form."""
    with pytest.raises(ConfigError, match="ports end at 65535"):
        split_address(address)
