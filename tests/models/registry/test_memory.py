"""Memory is counted from the architecture, and an estimate says that it is one."""

from collections.abc import Callable
from dataclasses import replace

from models.registry.catalogue import find_entry, load_registry
from models.registry.entry import Entry
from models.registry.memory import Load, memory_need

LOAD = Load(context_tokens=100, concurrency=3)


def test_cache_counts_keys_and_values_of_every_token(
    make_entry: Callable[..., Entry],
) -> None:
    """2 layers, 2 heads of 64, keys and values, 2 bytes, 100 tokens, 3 requests."""
    need = memory_need(make_entry(), LOAD, device="cpu")
    assert need is not None
    assert 2 * 2 * 64 * 2 * 2 * 100 * 3 == need.cache


def test_latent_attention_counts_its_latent(make_entry: Callable[..., Entry]) -> None:
    """Heads do not matter there."""
    entry = make_entry()
    assert entry.architecture is not None
    shape = replace(entry.architecture, latent_width=576)
    need = memory_need(replace(entry, architecture=shape), LOAD, device="cuda")
    assert need is not None
    assert 2 * 576 * 2 * 100 * 3 == need.cache


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
