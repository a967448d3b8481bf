"""Only listed places are asked, and by https unless an origin says otherwise."""

import pytest

from lsp_server.config import RegistryConfig
from lsp_server.errors import PullError
from lsp_server.modelstore.registry.sources import AllowList

DEFAULT = tuple(RegistryConfig().sources.split())


@pytest.mark.parametrize(
    ("places", "address"),
    [
        (DEFAULT, "https://huggingface.co/x"),
        (DEFAULT, "https://cdn-lfs.huggingface.co/x"),
        (DEFAULT, "https://cas-bridge.xethub.hf.co/x?y=z"),
        (("http://localhost:80/",), "http://localhost:80/x"),
        (("mirror.example",), "https://mirror.example/x"),
        (("s3://models",), "s3://models/x"),
    ],
)
def test_listed_places_pass(places: tuple[str, ...], address: str) -> None:
    """Hosts, hosts below one, and exact origins."""
    AllowList(places=places).require(address)


@pytest.mark.parametrize(
    ("places", "address"),
    [
        (DEFAULT, "http://huggingface.co/x"),
        (DEFAULT, "https://huggingface.co.evil.example/x"),
        (DEFAULT, "https://evilhuggingface.co/x"),
        (DEFAULT, "https://huggingface.co@evil.example/x"),
        (DEFAULT, "https://hf.co.evil.example/"),
        (DEFAULT, "file:///etc/passwd"),
        (DEFAULT, "s3://huggingface.co/x"),
        (("http://localhost:80",), "http://localhost:81/x"),
        (("http://localhost:80",), "https://localhost:80/x"),
        (("s3://models",), "s3://models-2/x"),
        (("s3://models",), "s3://Models/x"),
        (("models", "*.models"), "s3://models/x"),
        ((), "https://huggingface.co/x"),
    ],
)
def test_all_else_is_refused(places: tuple[str, ...], address: str) -> None:
    """Look-alikes, other schemes and other ports."""
    with pytest.raises(PullError):
        AllowList(places=places).require(address)


def test_the_error_says_how_to_allow_it() -> None:
    """The setting's name, and what is allowed now."""
    with pytest.raises(PullError, match=r"registry\.sources.*allowed are a\.example"):
        AllowList(places=["a.example"]).require("https://b.example/x")


def test_the_error_quotes_no_password() -> None:
    """An address may hold one by mistake."""
    with pytest.raises(PullError) as caught:
        AllowList(places=[]).require("https://me:hidden@b.example/x")
    assert "https://b.example" == caught.value.subject
    assert "hidden" not in str(caught.value)
