"""Only who is trusted can vouch for a model, and only for that very manifest."""

import base64
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key

from lsp_server.config import Device, ModelsConfig
from lsp_server.errors import KeyFileError, UnsafeModelError
from lsp_server.modelstore.locate import shipped_models
from lsp_server.modelstore.manifest import load_manifest
from lsp_server.modelstore.signature import Trust, read_signature, sign_folder, signed
from lsp_server.modelstore.signing_key import SigningKey
from lsp_server.modelstore.verify import verify
from lsp_server.service.loaded_model import load_model

MANIFEST = b'{"format": 1}\n'
OTHER = b'{"format": 2}\n'


@pytest.fixture
def key(tmp_path: Path) -> SigningKey:
    """Return a new key pair."""
    return SigningKey.make(tmp_path / "key.pem")


@pytest.fixture
def own_model(tmp_path: Path) -> Path:
    """Return a copy of a real model, as it lies where it was pulled to."""
    (shipped,) = shipped_models().values()
    return shutil.copytree(shipped, tmp_path / "models" / "own")


@pytest.fixture
def stranger(tmp_path: Path) -> SigningKey:
    """Return the key pair of somebody else."""
    return SigningKey.make(tmp_path / "stranger.pem")


def trust_in(*keys: SigningKey, required: bool = False) -> Trust:
    """Return the trust that settings with these keys ask for."""
    listed = " ".join(key.public for key in keys)
    return Trust.of(ModelsConfig(trusted_keys=listed, require_signature=required))


@pytest.mark.parametrize("required", [False, True])
def test_what_a_trusted_key_has_signed_passes(
    key: SigningKey, stranger: SigningKey, *, required: bool
) -> None:
    """One of several keys is enough, whoever else has signed."""
    signature = signed(MANIFEST, stranger, signed(MANIFEST, key))
    trust = trust_in(key, required=required)
    trust.check(MANIFEST, signature, subject="m")


Change = Callable[[SigningKey, SigningKey], bytes | None]


BAD: Mapping[str, tuple[Change, str]] = {
    "none": (lambda _key, _other: None, "it is not signed, and models.require_"),
    "a stranger's": (lambda _key, other: signed(MANIFEST, other), "signed by no key"),
    "another's": (lambda key, _other: signed(OTHER, key), "not that of this manifest"),
    "another's beside a stranger's": (
        lambda key, other: signed(OTHER, key) + signed(MANIFEST, other),
        "not that of this manifest",
    ),
    "empty": (lambda _key, _other: b"", "signed by no key"),
    "a key alone": (lambda key, _other: key.public.encode(), "no signature file"),
    "too short": (lambda key, _other: f"{key.public} AAAA".encode(), "no signature"),
    "not Base64": (lambda key, _other: f"{key.public} !".encode(), "no signature file"),
    "no key": (lambda key, _other: signed(MANIFEST, key)[12:], "no signature file"),
    "not ASCII": (lambda _key, _other: b"\xff x", "no signature file"),
    "too large": (lambda key, _other: signed(MANIFEST, key) * 999, "no signature file"),
}


@pytest.mark.parametrize(("signature", "message"), BAD.values(), ids=BAD)
def test_all_else_is_refused_where_a_signature_is_required(
    key: SigningKey, stranger: SigningKey, signature: Change, message: str
) -> None:
    """None, somebody else's, another manifest's, and what is none."""
    with pytest.raises(UnsafeModelError, match=message):
        trust_in(key, required=True).check(
            MANIFEST, signature(key, stranger), subject="m"
        )


def test_without_a_requirement_only_what_is_signed_is_checked(
    key: SigningKey, stranger: SigningKey
) -> None:
    """Where keys are trusted, another one's signature is no better than none."""
    trust_in(key).check(MANIFEST, None, subject="m")
    trust_in().check(MANIFEST, b"what ever", subject="m")
    with pytest.raises(UnsafeModelError, match="signed by no key"):
        trust_in(key).check(MANIFEST, signed(MANIFEST, stranger), subject="m")


def test_a_requirement_without_keys_refuses_everything(key: SigningKey) -> None:
    """Nobody is trusted by default."""
    with pytest.raises(UnsafeModelError, match=r"no key is trusted.*trusted_keys"):
        trust_in(required=True).check(MANIFEST, signed(MANIFEST, key), subject="m")


def test_signing_again_keeps_what_others_have_signed(
    key: SigningKey, stranger: SigningKey
) -> None:
    """But for signatures of what the manifest was before, and the key's own."""
    both = signed(MANIFEST, stranger, signed(MANIFEST, key))
    assert 2 == len(both.splitlines())
    assert both == signed(MANIFEST, stranger, both)
    assert signed(OTHER, key) == signed(OTHER, key, both)


def test_a_folder_is_signed_and_stays_whole(
    model_folder: Path, key: SigningKey
) -> None:
    """The signature is no file of the manifest; a changed manifest loses it."""
    trust = trust_in(key, required=True)
    with pytest.raises(UnsafeModelError, match="it is not signed"):
        trust.check_folder(model_folder)
    sign_folder(model_folder, key)
    verify(model_folder, load_manifest(model_folder))
    trust.check_folder(model_folder)
    manifest = model_folder / "manifest.json"
    manifest.write_text(manifest.read_text().replace("Apache-2.0", "MIT"))
    with pytest.raises(UnsafeModelError, match="not that of this manifest"):
        trust.check_folder(model_folder)


def test_the_server_loads_no_other_model(
    own_model: Path, key: SigningKey, stranger: SigningKey
) -> None:
    """The check is made at every load, not at the pull alone."""
    trust = trust_in(key, required=True)
    sign_folder(own_model, stranger)
    with pytest.raises(UnsafeModelError, match="signed by no key"):
        load_model(str(own_model), Device.CPU, trust=trust)
    sign_folder(own_model, key)
    assert own_model == load_model(str(own_model), Device.CPU, trust=trust).folder


def test_a_shipped_model_needs_no_signature(key: SigningKey) -> None:
    """It is as much a part of the installation as the code that checks it."""
    for folder in shipped_models().values():
        assert read_signature(folder) is None
        trust_in(key, required=True).check_folder(folder)


def test_a_key_file_is_for_its_owner_alone(tmp_path: Path, key: SigningKey) -> None:
    """It is read back, never overwritten, and refused where others may read it."""
    path = tmp_path / "key.pem"
    assert 0o600 == path.stat().st_mode & 0o777
    assert key.public == SigningKey.read(path).public
    with pytest.raises(KeyFileError, match=r"File exists.*ever overwritten"):
        SigningKey.make(path)
    path.chmod(0o640)
    with pytest.raises(KeyFileError, match=r"others may read.*chmod 600"):
        SigningKey.read(path)


def test_a_key_of_openssl_works(tmp_path: Path) -> None:
    """And openssl agrees that the signature is one of the manifest."""
    path, public = tmp_path / "k.pem", tmp_path / "p.pem"
    made = ["openssl", "genpkey", "-algorithm", "ed25519", "-out", str(path)]
    try:
        subprocess.run(made, check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("openssl is not installed")
    path.chmod(0o600)
    key = SigningKey.read(path)
    trust_in(key, required=True).check(MANIFEST, signed(MANIFEST, key), subject="m")
    made_by_us = signed(MANIFEST, key).split()[1]
    (tmp_path / "m").write_bytes(MANIFEST)
    (tmp_path / "s").write_bytes(base64.b64decode(made_by_us))
    show = ["openssl", "pkey", "-in", str(path), "-pubout", "-out", str(public)]
    subprocess.run(show, check=True)
    check = ["openssl", "pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", str(public)]
    files = ["-in", str(tmp_path / "m"), "-sigfile", str(tmp_path / "s")]
    subprocess.run([*check, *files], check=True, capture_output=True)


@pytest.mark.parametrize(
    "content", ["", "-----BEGIN PRIVATE KEY-----", "of another kind"]
)
def test_what_is_no_key_is_refused(tmp_path: Path, content: str) -> None:
    """Nothing, half a file, a key of another kind."""
    path = tmp_path / "k.pem"
    path.write_text(content)
    path.chmod(0o600)
    if content == "of another kind":
        path.write_bytes(
            generate_private_key(SECP256R1()).private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
    with pytest.raises(KeyFileError, match="no private Ed25519 key"):
        SigningKey.read(path)
    with pytest.raises(KeyFileError, match="No such file"):
        SigningKey.read(tmp_path / "nothing")


def test_without_cryptography_nothing_is_taken_for_signed(
    key: SigningKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is an extra; the error names the command that installs it."""
    signature = signed(MANIFEST, key)
    monkeypatch.setitem(sys.modules, "cryptography", None)
    with pytest.raises(UnsafeModelError, match=r"not installed.*make install-s3"):
        trust_in(key).check(MANIFEST, signature, subject="m")
    with pytest.raises(KeyFileError, match="not installed"):
        SigningKey.make(tmp_path / "new.pem")
