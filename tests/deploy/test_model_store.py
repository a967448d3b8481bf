"""Models go through a real S3-compatible store, or its faults are sentences."""

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

import pytest
from object_store import BUCKET, READER, SECRET, WRITER, ObjectStore, object_store

from lsp_server.__main__ import main
from lsp_server.config import SHIPPED_MODEL
from lsp_server.modelstore.locate import previous_folder, shipped_models
from lsp_server.modelstore.manifest import load_manifest
from lsp_server.modelstore.verify import describe_files, verify

BASE = f"s3://{BUCKET}/team a/starter#1"
PREFIX = "team a/starter#1"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    """Run one store for all tests."""
    with object_store(tmp_path_factory.mktemp("store")) as store:
        yield store


@pytest.fixture
def store(running: ObjectStore) -> ObjectStore:
    """Return the store with an empty bucket."""
    running.make_bucket()
    for name in running.names():
        running.client().delete_object(Bucket=BUCKET, Key=name)
    return running


class Shell:
    """Runs `midfill models` as a user of the store, on a machine of its own."""

    def __init__(
        self,
        home: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        self.models = home / "data" / "midfill" / "models"
        self._monkeypatch = monkeypatch
        self._capsys = capsys
        self.out = self.err = ""

    def set(self, variables: Mapping[str, str]) -> None:
        """Set environment variables."""
        for name, value in variables.items():
            self._monkeypatch.setenv(name, value)

    def __call__(self, *words: str | Path) -> int:
        status = main(["models", *map(str, words)])
        self.out, self.err = self._capsys.readouterr()
        assert SECRET not in self.out + self.err
        return status


@pytest.fixture
def shell(
    store: ObjectStore,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Shell:
    """Return the shell of who may write."""
    for name in ("http_proxy", "HTTP_PROXY", "MIDFILL_CONFIG", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    made = Shell(tmp_path, monkeypatch, capsys)
    made.set(store.environment(WRITER))
    return made


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Return the shipped model with weights of a few megabytes that mean nothing."""
    (shipped,) = shipped_models().values()
    folder = shutil.copytree(
        shipped, tmp_path / "mine", ignore=shutil.ignore_patterns("*.safetensors")
    )
    size = 12_000_000
    tensor = {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}
    header = json.dumps({"a": tensor}).encode()
    weights = len(header).to_bytes(8, "little") + header + bytes(size)
    (folder / "model.safetensors").write_bytes(weights)
    # Of a type whose tensors are not compared with its sizes.
    config = json.loads((folder / "config.json").read_text())
    del config["model_type"]
    (folder / "config.json").write_text(json.dumps(config))
    change(folder, "first")
    return folder


def change(model: Path, licence: str) -> None:
    """Make another version of a model."""
    (model / "LICENSE").write_text(licence)
    manifest = json.loads((model / "manifest.json").read_text())
    files = describe_files(model)
    manifest["files"] = {name: asdict(entry) for name, entry in files.items()}
    (model / "manifest.json").write_text(json.dumps(manifest))


def contents(folder: Path) -> Mapping[str, bytes]:
    """Return every file of a folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_what_is_pushed_is_what_is_pulled(
    shell: Shell, store: ObjectStore, model: Path
) -> None:
    """Byte for byte, with keys that may only read; the same is not sent or fetched."""
    assert 0 == shell("push", model, BASE)
    assert "model.safetensors: 100 % of 12.0 MB" in shell.err
    assert 0 == shell("push", model, BASE)
    assert "is already in s3://models/team a/starter#1, and whole" in shell.err
    assert "%" not in shell.err
    shell.set(store.environment(READER))
    assert 0 == shell("pull", BASE, "--name", "team")
    assert f"{shell.models / 'team'}\n" == shell.out
    assert contents(model) == contents(shell.models / "team")
    assert 0 == shell("pull", BASE, "--name", "team", "--update")
    assert "is there already, as s3://models" in shell.err
    assert "%" not in shell.err


def test_keys_that_may_only_read_push_nothing(
    shell: Shell, store: ObjectStore, model: Path
) -> None:
    """The store refuses the first file, and the sentence says so."""
    shell.set(store.environment(READER))
    assert 1 == shell("push", model, BASE)
    assert "the store refuses these credentials (AccessDenied)" in shell.err
    assert [] == store.names()


@pytest.mark.parametrize(
    ("variable", "code"),
    [
        ("AWS_ACCESS_KEY_ID", "InvalidAccessKeyId"),
        ("AWS_SECRET_ACCESS_KEY", "SignatureDoesNotMatch"),
    ],
)
@pytest.mark.parametrize(
    "words", [("push", SHIPPED_MODEL, BASE), ("pull", BASE, "--name", "team")]
)
def test_wrong_keys_are_a_sentence(
    shell: Shell, words: tuple[str, ...], variable: str, code: str
) -> None:
    """By code, in either direction."""
    shell.set({variable: "wrong"})
    assert 1 == shell(*words)
    assert f"the store refuses these credentials ({code})" in shell.err
    assert 1 == len(shell.err.splitlines())


def test_a_bucket_that_vanishes_costs_no_model(
    shell: Shell, store: ObjectStore, model: Path
) -> None:
    """What is there goes on, if that is asked for, with one warning."""
    shell("push", model, BASE)
    assert 0 == shell("pull", BASE, "--name", "team")
    store.remove_bucket()
    assert 1 == shell("pull", BASE, "--name", "team", "--update")
    assert "the store has no such bucket" in shell.err
    assert 1 == len(shell.err.splitlines())
    words = ("pull", BASE, "--name", "team", "--update", "--keep-on-failure")
    assert 0 == shell(*words)
    warnings = [line for line in shell.err.splitlines() if "warning" in line]
    assert 1 == len(warnings)
    assert "the store has no such bucket" in warnings[0]
    assert f"{shell.models / 'team'}\n" == shell.out
    assert 1 == shell("push", model, BASE)
    assert "the store has no such bucket" in shell.err


def test_there_has_to_be_something_to_keep(shell: Shell) -> None:
    """Without a model the failure is one."""
    assert 1 == shell("pull", BASE, "--name", "team", "--keep-on-failure")
    assert "the bucket has no such object" in shell.err


def lose_manifest(store: ObjectStore) -> None:
    """Have an upload break off before its end."""
    store.client().delete_object(Bucket=BUCKET, Key=f"{PREFIX}/manifest.json")


def halve_weights(store: ObjectStore) -> None:
    """Have a copy that another tool made break off."""
    key = f"{PREFIX}/model.safetensors"
    whole = store.client().get_object(Bucket=BUCKET, Key=key)["Body"].read()
    store.client().put_object(Bucket=BUCKET, Key=key, Body=whole[: len(whole) // 2])


def lose_weights(store: ObjectStore) -> None:
    """Have somebody remove the weights."""
    store.client().delete_object(Bucket=BUCKET, Key=f"{PREFIX}/model.safetensors")


def exchange_config(store: ObjectStore) -> None:
    """Have somebody put another file of the same size there."""
    key = f"{PREFIX}/config.json"
    size = store.client().head_object(Bucket=BUCKET, Key=key)["ContentLength"]
    store.client().put_object(Bucket=BUCKET, Key=key, Body=b" " * size)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lose_manifest, "manifest.json: the bucket has no such object"),
        (halve_weights, "it is shorter than its manifest says"),
        (lose_weights, "model.safetensors: the bucket has no such object"),
        (exchange_config, "the content has the hash"),
    ],
)
def test_a_half_upload_is_no_model(
    shell: Shell,
    store: ObjectStore,
    model: Path,
    spoil: Callable[[ObjectStore], None],
    message: str,
) -> None:
    """Nothing appears; pushing again mends it, and the pull goes on."""
    shell("push", model, BASE)
    spoil(store)
    assert 1 == shell("pull", BASE, "--name", "team")
    assert message in shell.err
    assert not (shell.models / "team").exists()
    assert 0 == shell("push", model, BASE)
    assert 0 == shell("pull", BASE, "--name", "team")
    verify(shell.models / "team", load_manifest(shell.models / "team"))


def test_a_new_version_replaces_the_old_one(
    shell: Shell, store: ObjectStore, model: Path
) -> None:
    """Only where that is asked for, in the store and on the machine."""
    change(model, "old")
    (model / "NOTICE").write_text("soon gone")
    change(model, "old")
    shell("push", model, BASE)
    shell("pull", BASE, "--name", "team")
    (model / "NOTICE").unlink()
    change(model, "newer")
    assert 1 == shell("push", model, BASE)
    assert f"another model is there already, {SHIPPED_MODEL!r}" in shell.err
    assert 0 == shell("push", model, BASE, "--replace")
    assert {f"{PREFIX}/{name}" for name in contents(model)} == set(store.names())
    assert 0 == shell("pull", BASE, "--name", "team")
    assert "old" == (shell.models / "team" / "LICENSE").read_text()
    assert 0 == shell("pull", BASE, "--name", "team", "--update")
    assert contents(model) == contents(shell.models / "team")
    assert "old" == (previous_folder(shell.models / "team") / "LICENSE").read_text()


def test_only_a_trusted_signature_counts(
    shell: Shell, store: ObjectStore, model: Path, tmp_path: Path
) -> None:
    """Made by `sign` or by `push --key`; without one nothing is pulled."""
    keys = {}
    for name in ("ours", "theirs"):
        assert 0 == shell("keygen", tmp_path / name)
        keys[name] = shell.out.strip()
    shell("push", model, BASE)
    required = {
        "MIDFILL_MODELS_TRUSTED_KEYS": keys["ours"],
        "MIDFILL_MODELS_REQUIRE_SIGNATURE": "true",
    }
    shell.set(store.environment(READER) | required)
    assert 1 == shell("pull", BASE, "--name", "team")
    assert "it is not signed" in shell.err
    shell.set(store.environment(WRITER) | {"MIDFILL_MODELS_REQUIRE_SIGNATURE": "false"})
    assert 0 == shell("sign", model, "--key", tmp_path / "theirs")
    assert 1 == shell("push", model, BASE)
    assert "signed by no key that models.trusted_keys names" in shell.err
    assert 0 == shell("push", model, BASE, "--key", tmp_path / "ours")
    shell.set(store.environment(READER) | required)
    assert 0 == shell("pull", BASE, "--name", "team")
    assert keys["ours"] in (shell.models / "team" / "manifest.sig").read_text()
