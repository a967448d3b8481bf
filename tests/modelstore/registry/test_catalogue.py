"""The registry that ships is whole and sourced; an error in one names its key."""

import json
from pathlib import Path

import pytest

from lsp_server.config import SHIPPED_MODEL
from lsp_server.errors import RegistryError
from lsp_server.modelstore.locate import shipped_models
from lsp_server.modelstore.registry.catalogue import (
    Entry,
    find_entry,
    load_registry,
)
from lsp_server.prompt.families import FAMILIES

ENTRIES = load_registry()

GOOD = """
[[model]]
name = "a-1b"
family = "starcoder2"
base = "maker/a"
parameters = 1
licence = "MIT"
context_length = 2
[model.sources]
card = "https://example.com"
checkpoint = "https://example.com"
[model.architecture]
layers = 1
kv_heads = 1
head_dim = 1
hidden_size = 1
[model.checkpoint]
hub_id = "maker/a-gptq"
method = "gptq"
bits = 4
"""


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_every_entry_is_sourced(entry: Entry) -> None:
    """Each group of facts names its page, and a known family is asked for."""
    assert entry.family in FAMILIES
    assert "card" in entry.sources
    assert (entry.architecture is None) == ("config" not in entry.sources)
    assert (entry.checkpoint is None) == ("checkpoint" not in entry.sources)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_every_figure_is_plausible(entry: Entry) -> None:
    """A slip of a digit would show in the ratio of size and parameters."""
    checkpoint = entry.checkpoint
    if checkpoint is not None and checkpoint.weights_bytes is not None:
        per_weight = 8 * checkpoint.weights_bytes / entry.parameters
        assert checkpoint.bits <= per_weight <= 2 * checkpoint.bits
    if entry.architecture is not None:
        shape = entry.architecture
        width = shape.kv_heads * shape.head_dim
        assert shape.hidden_size % shape.head_dim == 0
        assert shape.latent_width or width <= shape.hidden_size


@pytest.mark.parametrize(
    "family",
    [
        "qwen2.5-coder",
        "qwen3-coder",
        "starcoder2",
        "deepseek-coder-v2",
        "codellama",
        "codestral",
        "granite-code",
        "seed-coder",
        "mellum",
    ],
)
def test_every_family_that_users_would_choose_is_there(family: str) -> None:
    """At least one model of it."""
    assert any(entry.family == family for entry in ENTRIES)


@pytest.mark.parametrize("size", ["0.5b", "1.5b", "3b", "7b", "14b", "32b"])
def test_every_size_of_qwen_is_there(size: str) -> None:
    """From the smallest to the largest, quantised by GPTQ."""
    checkpoint = find_entry(ENTRIES, f"qwen2.5-coder-{size}").checkpoint
    assert checkpoint is not None
    assert "gptq" == checkpoint.method


def test_shipped_entries_are_the_shipped_models() -> None:
    """What the registry says of a shipped model is what its manifest says."""
    shipped = {entry.name: entry for entry in ENTRIES if entry.shipped}
    assert {SHIPPED_MODEL} == shipped_models().keys() == shipped.keys()
    for name, folder in shipped_models().items():
        manifest = json.loads((folder / "manifest.json").read_text())
        config = json.loads((folder / "config.json").read_text())
        entry = shipped[name]
        assert entry.architecture is not None
        assert (entry.family, entry.parameters, entry.context_length) == (
            manifest["family"],
            manifest["parameters"],
            manifest["context_length"],
        )
        assert (entry.architecture.layers, entry.architecture.kv_heads) == (
            config["num_hidden_layers"],
            config["num_key_value_heads"],
        )


def test_smallest_comes_first() -> None:
    """Entries are in the order of their size, whatever the file's is."""
    sizes = [entry.parameters for entry in ENTRIES]
    assert sorted(sizes) == sizes


def test_absent_facts_are_none(tmp_path: Path) -> None:
    """What no source gives is not a zero or an empty text."""
    path = tmp_path / "registry.toml"
    path.write_text(GOOD)
    (entry,) = load_registry(path)
    assert entry.checkpoint is not None
    assert entry.architecture is not None
    assert (None, None, None, None) == (
        entry.checkpoint.revision,
        entry.checkpoint.group_size,
        entry.checkpoint.weights_bytes,
        entry.architecture.vocabulary,
    )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('name = "a-1b"', 'name = "A 1B"', "'name' is not a plain"),
        ('"starcoder2"', '"starcoder9"', "'family' is not a family"),
        ("parameters = 1", 'parameters = "1"', "'parameters' is not a whole"),
        ("parameters = 1", "parameters = 0", "'parameters' is not a positive"),
        ("context_length = 2", "context_length = -2", "'context_length' is not a pos"),
        ('licence = "MIT"', 'licence = ""', "'licence' is not a licence"),
        ('licence = "MIT"', 'license = "MIT"', "'license' is unknown"),
        ('licence = "MIT"\n', "", "'licence' is missing"),
        ('card = "https:', 'card = "http:', "'sources.card' is not an https"),
        ('checkpoint = "https://example.com"\n', "", "'sources.checkpoint' is not"),
        ('"maker/a-gptq"', '"a-gptq"', "'checkpoint.hub_id' is not an owner"),
        ('method = "gptq"', 'method = "exl2"', "'checkpoint.method' is not gptq"),
        ("bits = 4", 'bits = 4\nrevision = "main"', "'checkpoint.revision' is not a"),
        ("bits = 4", 'bits = 4\nsha256 = {x = "1"}', "'checkpoint.sha256.x' is not 64"),
        ("layers = 1", "layers = true", "'architecture.layers' is not a whole"),
        ("[[model]]", "[model]", "not a list"),
        ("[[model]]", "[[", "not TOML"),
        (GOOD, GOOD + GOOD, "is there twice"),
    ],
)
def test_a_wrong_entry_is_reported(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    """The error names the key, so that it can be found."""
    path = tmp_path / "registry.toml"
    path.write_text(GOOD.replace(old, new))
    with pytest.raises(RegistryError, match=message):
        load_registry(path)


def test_a_missing_file_is_reported(tmp_path: Path) -> None:
    """An installation without its registry is broken, and says so."""
    with pytest.raises(RegistryError, match="cannot be read"):
        load_registry(tmp_path / "none.toml")


def test_an_unknown_name_lists_the_known_ones() -> None:
    """The reader sees what there is."""
    with pytest.raises(RegistryError, match=r"qwen2\.5-coder-7b"):
        find_entry(ENTRIES, "gpt-9")
