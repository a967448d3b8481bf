"""Memory is counted from the architecture, and an estimate says that it is one."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from lsp_server.modelstore.registry.catalogue import find_entry, load_registry
from lsp_server.modelstore.registry.entry import Entry
from lsp_server.modelstore.registry.memory import Load, memory_need

LOAD = Load(context_tokens=96, concurrency=3)


def test_cache_counts_keys_and_values_of_every_token(
    make_entry: Callable[..., Entry],
) -> None:
    """2 layers, 2 heads of 64, keys and values, 2 bytes, 96 tokens, 3 requests."""
    need = memory_need(make_entry(), LOAD, device="cpu")
    assert need is not None
    assert 2 * 2 * 64 * 2 * 2 * 96 * 3 == need.cache


def test_latent_attention_counts_its_latent(make_entry: Callable[..., Entry]) -> None:
    """Heads do not matter there."""
    entry = make_entry()
    assert entry.architecture is not None
    shape = replace(entry.architecture, latent_width=576)
    need = memory_need(replace(entry, architecture=shape), LOAD, device="cuda")
    assert need is not None
    assert 2 * 576 * 2 * 96 * 3 == need.cache


@pytest.mark.parametrize(
    ("tokens", "counted"), [(1, 32), (32, 32), (33, 64), (1023, 1024), (1025, 1024)]
)
def test_a_request_takes_whole_blocks(
    make_entry: Callable[..., Entry], tokens: int, counted: int
) -> None:
    """Of 32 tokens, up to the model's own 1024."""
    load = Load(context_tokens=tokens, concurrency=2)
    need = memory_need(make_entry(), load, device="cpu")
    assert need is not None
    assert 2 * 2 * 64 * 2 * 2 * counted * 2 == need.cache


@pytest.mark.parametrize(
    ("reserved", "counted"),
    [(0, 294_912), (294_911, 294_912), (294_912, 294_912), (294_913, 294_913)],
)
def test_what_the_engine_sets_aside_is_the_least(
    make_entry: Callable[..., Entry], reserved: int, counted: int
) -> None:
    """The cache takes that much however little is asked."""
    load = replace(LOAD, reserved_cache_bytes=reserved)
    need = memory_need(make_entry(), load, device="cpu")
    assert need is not None
    assert counted == need.cache


def test_activations_are_those_of_one_step(make_entry: Callable[..., Entry]) -> None:
    """2048 tokens, 16 widths of 128, 2 bytes; neither context nor requests matter."""
    for load in (LOAD, Load(context_tokens=1024, concurrency=64)):
        need = memory_need(make_entry(), load, device="cuda")
        assert need is not None
        assert 2048 * 16 * 128 * 2 == need.activations


def test_context_is_cut_at_the_models_own(make_entry: Callable[..., Entry]) -> None:
    """A model of 1024 tokens never keeps more for a request."""
    long = Load(context_tokens=5000, concurrency=1)
    full = Load(context_tokens=1024, concurrency=1)
    entry = make_entry()
    assert memory_need(entry, full, device="cpu") == memory_need(
        entry, long, device="cpu"
    )


def test_weights_on_disk_beat_the_registry(make_entry: Callable[..., Entry]) -> None:
    """Then the registry, and an estimate at last."""
    stated = make_entry(weights_bytes=7)
    for entry, on_disk, expected in (
        (stated, 5, (5, False)),
        (stated, None, (7, False)),
    ):
        need = memory_need(entry, LOAD, device="cpu", weights_bytes=on_disk)
        assert need is not None
        assert expected == (need.weights, need.weights_are_estimated)
    estimated = memory_need(make_entry(), LOAD, device="cpu")
    assert estimated is not None
    assert estimated.weights_are_estimated


def test_the_estimate_is_near_where_the_size_is_known() -> None:
    """For Qwen2.5-Coder 7B it misses the stated size by less than a tenth."""
    entry = find_entry(load_registry(), "qwen2.5-coder-7b")
    assert entry.checkpoint is not None
    assert entry.checkpoint.weights_bytes is not None
    unknown = replace(entry, checkpoint=replace(entry.checkpoint, weights_bytes=None))
    need = memory_need(unknown, LOAD, device="cuda")
    assert need is not None
    assert abs(need.weights / entry.checkpoint.weights_bytes - 1) < 0.1


def test_total_is_the_sum(make_entry: Callable[..., Entry]) -> None:
    """Nothing is left out."""
    need = memory_need(make_entry(), LOAD, device="cuda")
    assert need is not None
    parts = (need.weights, need.cache, need.activations, need.base)
    assert all(part > 0 for part in parts)
    assert sum(parts) == need.total


def test_an_unknown_shape_has_no_need(make_entry: Callable[..., Entry]) -> None:
    """None is not a small number."""
    entry = replace(make_entry(), architecture=None)
    assert memory_need(entry, LOAD, device="cpu") is None
