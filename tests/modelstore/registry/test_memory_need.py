"""The memory that a model needs is counted from its shape and the load."""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

import pytest

from lsp_server.modelstore.registry.catalogue import Entry, find_entry, load_registry
from lsp_server.modelstore.registry.recommend import (
    Load,
    Need,
    memory_need,
)

MakeEntry: TypeAlias = Callable[..., Entry]

SMALL = Load(context_tokens=96, concurrency=3)
TOKEN_BYTES = 2 * 2 * 64 * 2 * 2
"""Of the small entry's cache: 2 layers, 2 heads of 64, keys and values, 2 bytes."""


def need_of(
    entry: Entry, load: Load = SMALL, *, device: str = "cpu", on_disk: int | None = None
) -> Need:
    """Return what an entry needs."""
    need = memory_need(entry, load, device=device, weights_bytes=on_disk)
    assert need is not None
    return need


@pytest.mark.parametrize(
    ("tokens", "requests", "reserved", "cache"),
    [
        (96, 3, 0, TOKEN_BYTES * 96 * 3),
        (1, 2, 0, TOKEN_BYTES * 32 * 2),
        (32, 2, 0, TOKEN_BYTES * 32 * 2),
        (33, 2, 0, TOKEN_BYTES * 64 * 2),
        (1023, 2, 0, TOKEN_BYTES * 1024 * 2),
        (1025, 2, 0, TOKEN_BYTES * 1024 * 2),
        (96, 3, 294_912, 294_912),
        (96, 3, 294_913, 294_913),
    ],
)
def test_cache_counts_keys_and_values_of_every_token(
    make_entry: MakeEntry, tokens: int, requests: int, reserved: int, cache: int
) -> None:
    """In blocks of 32, up to the model's own 1024, and what the engine sets aside."""
    load = Load(
        context_tokens=tokens, concurrency=requests, reserved_cache_bytes=reserved
    )
    assert cache == need_of(make_entry(), load).cache


def test_latent_attention_counts_its_latent(make_entry: MakeEntry) -> None:
    """Heads do not matter there."""
    entry = make_entry()
    assert entry.architecture is not None
    shape = replace(entry.architecture, latent_width=576)
    need = need_of(replace(entry, architecture=shape))
    assert 2 * 576 * 2 * 96 * 3 == need.cache


def test_activations_are_those_of_one_step(make_entry: MakeEntry) -> None:
    """2048 tokens, 16 widths of 128, 2 bytes; neither context nor requests matter."""
    for load in (SMALL, Load(context_tokens=1024, concurrency=64)):
        assert 2048 * 16 * 128 * 2 == need_of(make_entry(), load).activations


def test_weights_on_disk_beat_the_registry(make_entry: MakeEntry) -> None:
    """Then the registry, and an estimate at last."""
    stated = make_entry(weights_bytes=7)
    for on_disk, expected in ((5, (5, False)), (None, (7, False))):
        need = need_of(stated, on_disk=on_disk)
        assert expected == (need.weights, need.weights_are_estimated)
    assert need_of(make_entry()).weights_are_estimated


def test_the_estimate_is_near_where_the_size_is_known() -> None:
    """For Qwen2.5-Coder 7B it misses the stated size by less than a tenth."""
    entry = find_entry(load_registry(), "qwen2.5-coder-7b")
    assert entry.checkpoint is not None
    assert entry.checkpoint.weights_bytes is not None
    unknown = replace(entry, checkpoint=replace(entry.checkpoint, weights_bytes=None))
    assert abs(need_of(unknown).weights / entry.checkpoint.weights_bytes - 1) < 0.1


def test_total_is_the_sum(make_entry: MakeEntry) -> None:
    """Nothing is left out."""
    need = need_of(make_entry(), device="cuda")
    parts = (need.weights, need.cache, need.activations, need.base)
    assert all(part > 0 for part in parts)
    assert sum(parts) == need.total
