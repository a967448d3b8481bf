"""What a team server gets at its start: address, certificate and model."""

import os
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
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


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    """In a sentence, without a traceback."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = subprocess.run(
            [*SERVE, "--listen", f"127.0.0.1:{taken.getsockname()[1]}"],
            env=os.environ | {"HOME": str(tmp_path)},
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


@pytest.mark.parametrize(
    ("names", "what"),
    [
        (("key.pem", "key.pem"), "key.pem: this file holds no certificate"),
        (("certificate.pem", ""), "certificate.pem: this file holds no private key"),
        (("certificate.pem", "certificate.pem"), "holds no private key"),
    ],
)
def test_files_that_are_mixed_up_are_named(
    tmp_path: Path, names: tuple[str, str], what: str
) -> None:
    """A key given as a certificate is said to be none, not what OpenSSL says."""
    write_certificate(tmp_path / "tls.pem")
    both = (tmp_path / "tls.pem").read_text()
    begin = both.index("-----BEGIN CERTIFICATE")
    end = both.index("-----END CERTIFICATE-----\n") + len("-----END CERTIFICATE-----\n")
    (tmp_path / "certificate.pem").write_text(both[begin:end])
    (tmp_path / "key.pem").write_text(both[:begin] + both[end:])
    with pytest.raises(ConfigError, match=what):
        Certificate(*(name and str(tmp_path / name) for name in names))


@pytest.mark.parametrize("address", ["127.0.0.1:99999", "[::1]:65536"])
def test_ports_end_at_65535(address: str) -> None:
    """A number that is too large is said to be that, and no wrong form."""
    with pytest.raises(ConfigError, match="ports end at 65535"):
        split_address(address)


def test_a_key_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """And not the certificate, which is there."""
    write_certificate(tmp_path / "tls.pem")
    with pytest.raises(ConfigError, match=r"no\.key: .*No such file"):
        Certificate(str(tmp_path / "tls.pem"), str(tmp_path / "no.key"))
