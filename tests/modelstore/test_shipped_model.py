"""The model in the repository is whole, safe, small, and of a family that we know."""

from lsp_server.config import SHIPPED_MODEL
from lsp_server.modelstore.compatibility import check_quantisation
from lsp_server.modelstore.locate import locate
from lsp_server.modelstore.manifest import load_manifest
from lsp_server.modelstore.verify import verify
from lsp_server.prompt.families import find_family
from lsp_server.prompt.selfcheck import resolve_family
from lsp_server.prompt.tokenizer import FastTokenizer

MOST_BYTES = 72_000_000


def test_is_what_its_manifest_says() -> None:
    """Every file has its hash, and the name is the folder's."""
    folder = locate(SHIPPED_MODEL)
    manifest = load_manifest(folder)
    verify(folder, manifest)
    assert SHIPPED_MODEL == manifest.name
    assert "Apache-2.0" == manifest.licence


def test_runs_on_both_devices() -> None:
    """vLLM has a kernel for it on a CPU and on a GPU."""
    folder = locate(SHIPPED_MODEL)
    manifest = load_manifest(folder)
    check_quantisation(folder, manifest, device="cpu")
    check_quantisation(folder, manifest, device="cuda")


def test_fits_into_the_repository() -> None:
    """All files together stay under the repository's limit."""
    manifest = load_manifest(locate(SHIPPED_MODEL))
    assert sum(entry.bytes for entry in manifest.files.values()) <= MOST_BYTES


def test_tokenizer_and_family_fit() -> None:
    """Each sentinel is one token, and no text can become one."""
    folder = locate(SHIPPED_MODEL)
    manifest = load_manifest(folder)
    family = find_family(manifest.family)
    resolved = resolve_family(FastTokenizer(folder), family)
    assert (0,) == resolved.stop_token_ids
