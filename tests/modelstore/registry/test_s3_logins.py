"""Credentials of a store: where they come from, and what is said of wrong ones."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from s3_store import BUCKET, SECRET, WEIGHTS, Puller, Store, running_store

from lsp_server.__main__ import main
from lsp_server.errors import PullError
from lsp_server.modelstore.registry.allow_list import AllowList
from lsp_server.modelstore.registry.s3 import S3
from lsp_server.modelstore.registry.transport import read


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """Return a running store with an empty bucket, and the settings that lead to it."""
    with running_store(tmp_path, monkeypatch) as running:
        yield running


@pytest.fixture
def stored(store: Store, mirrored_folder: Path) -> Store:
    """Return a store that holds a whole model."""
    for path in mirrored_folder.iterdir():
        store.put(path.name, path.read_bytes())
    store.requests.clear()
    return store


@pytest.fixture
def puller(tmp_path: Path, store: Store) -> Puller:
    """Return a puller into an empty folder."""
    return Puller(tmp_path / "models", store)


@pytest.fixture
def login(stored: Store) -> Iterator[dict[str, str]]:
    """Let nobody in but a reader of the bucket, whose credentials are given."""
    iam = stored.client("iam")
    iam.create_user(UserName="reader")
    key = iam.create_access_key(UserName="reader")["AccessKey"]
    allow = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}
    iam.put_user_policy(
        UserName="reader",
        PolicyName="read",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [allow]}),
    )
    iam.create_user(UserName="stranger")
    other = iam.create_access_key(UserName="stranger")["AccessKey"]
    stored.tell("/moto-api/reset-auth", b"0")
    yield {
        "id": key["AccessKeyId"],
        "secret": key["SecretAccessKey"],
        "other id": other["AccessKeyId"],
        "other secret": other["SecretAccessKey"],
    }
    stored.tell("/moto-api/reset-auth", b"inf")


@pytest.mark.parametrize(
    ("given", "code"),
    [
        (("nobody", "secret"), "InvalidAccessKeyId"),
        (("id", "wrong"), "SignatureDoesNotMatch"),
        (("other id", "other secret"), "AccessDenied"),
    ],
)
def test_denied_credentials_are_reported(
    puller: Puller,
    login: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    given: tuple[str, str],
    code: str,
) -> None:
    """Unknown, wrong, or without the right; by code, without the secret."""
    user, secret = given
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", login.get(user, user))
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", login.get(secret, SECRET))
    with pytest.raises(PullError, match=rf"refuses these credentials \({code}\)") as e:
        puller()
    assert login.get(secret, SECRET) not in str(e.value)
    assert [] == puller.left()


def test_a_profile_of_the_aws_files_is_enough(
    puller: Puller,
    login: dict[str, str],
    store: Store,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Endpoint, region and credentials may all come from files."""
    for name in ("ENDPOINT_URL", "DEFAULT_REGION", "ACCESS_KEY_ID"):
        monkeypatch.delenv(f"AWS_{name}")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_PROFILE", "team")
    (tmp_path / "aws-config").write_text(
        f"[profile team]\nregion = us-east-1\nendpoint_url = {store.address}\n"
    )
    (tmp_path / "aws-credentials").write_text(
        f"[team]\naws_access_key_id = {login['id']}\n"
        f"aws_secret_access_key = {login['secret']}\n"
    )
    assert (puller() / WEIGHTS).is_file()


def test_no_credentials_are_reported(
    puller: Puller, stored: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the names of the variables; no machine is asked for a role's."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{stored.address}/role")
    with pytest.raises(PullError, match=r"no credentials .*Set AWS_ACCESS_KEY_ID and"):
        puller()
    assert [] == stored.requests


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AWS_PROFILE", "nobody"),
        ("AWS_ENDPOINT_URL", "no address"),
        ("AWS_DEFAULT_REGION", "no region"),
    ],
)
def test_wrong_settings_are_reported(
    store: Store, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    """A profile, an endpoint or a region that is none."""
    monkeypatch.setenv(name, value)
    with pytest.raises(PullError, match="AWS settings cannot be used"):
        read(S3(AllowList(places=[store.address])), f"s3://{BUCKET}/x")


def test_the_help_shows_no_way_to_write_a_secret_down(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Credentials come from the environment and from files alone."""
    with pytest.raises(SystemExit):
        main(["models", "pull", "--help"])
    options = {w for w in capsys.readouterr().out.split() if w.startswith("--")}
    how = {"--name", "--update", "--keep-on-failure", "--offline"}
    assert {"--from", "--config", "--help", *how} == options
