"""Models are shown with everything that a choice needs, and what is open says so."""

import json
from dataclasses import replace

import pytest

from lsp_server.commands.models_display import (
    advice_lines,
    as_json,
    entry_lines,
    list_lines,
    verdicts_json,
)
from lsp_server.config import SHIPPED_MODEL
from lsp_server.hardware import Gpu
from lsp_server.modelstore.registry.catalogue import find_entry, load_registry
from lsp_server.modelstore.registry.recommend import Load, Machine, judge

ENTRIES = load_registry()
LOAD = Load(context_tokens=2048, concurrency=4)
LAPTOP = Machine(gpus=(), gpu_share=0.9, ram_bytes=16 << 30, cores=2)
EMPTY = Machine(gpus=(), gpu_share=0.9, ram_bytes=1, cores=1)
CARD = Machine(
    gpus=(
        Gpu(
            name="A GPU",
            capability=(8, 9),
            free_bytes=20 << 30,
            total_bytes=24 << 30,
        ),
    ),
    gpu_share=0.9,
    ram_bytes=0,
    cores=1,
)


def test_list_has_a_line_for_each_model() -> None:
    """Under a head, with size, context, family, format and licence."""
    head, *lines = list_lines(ENTRIES)
    assert "licence" in head
    assert [entry.name for entry in ENTRIES] == [line.split()[0] for line in lines]
    (line,) = (line for line in lines if line.startswith("qwen2.5-coder-1.5b "))
    assert ["1.54B", "32768", "qwen2.5-coder", "gptq", "4", "bit", "Apache-2.0"] == (
        line.split()[1:]
    )


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("qwen2.5-coder-7b", "not stated; pinned at the first pull"),
        ("qwen2.5-coder-7b", "group size not known"),
        ("qwen2.5-coder-7b", "28 layers, 4 KV heads of 128, hidden size 3584"),
        ("qwen2.5-coder-7b", "5,580.0 MB"),
        ("qwen2.5-coder-7b", "source          config: https://"),
        ("qwen3-coder-30b-a3b", "3.3B for each token"),
        ("qwen3-coder-30b-a3b", "weights         not known"),
        ("seed-coder-8b-base", "architecture    not known"),
        ("codestral-22b", "MNPL-0.1"),
        ("codestral-22b", "note            The Mistral Non-Production licence"),
        (SHIPPED_MODEL, "88M parameters"),
    ],
)
def test_show_says_what_is_known_and_what_is_not(name: str, expected: str) -> None:
    """Open facts are named as open."""
    assert expected in "\n".join(entry_lines(find_entry(ENTRIES, name)))


@pytest.mark.parametrize(
    ("machine", "expected"),
    [
        (LAPTOP, "CPU with 2 cores, no GPU in use, 16.0 GiB of memory free"),
        (LAPTOP, "Asked for: 2048 tokens of context, 4 requests at a time"),
        (LAPTOP, "Fetch it with: midfill models pull qwen2.5-coder-0.5b"),
        (LAPTOP, "weights 0.43, KV cache 0.09, activations"),
        (LAPTOP, "- qwen2.5-coder-7b             too slow"),
        (LAPTOP, f"+ {SHIPPED_MODEL}"),
        (LAPTOP, "* qwen2.5-coder-0.5b"),
        (EMPTY, "No model of the registry fits this machine and"),
        (CARD, "A GPU, compute capability 8.9, 20.0 of 24.0 GiB free"),
        (CARD, "Recommended: qwen2.5-coder-14b"),
    ],
)
def test_advice_says_which_and_why(machine: Machine, expected: str) -> None:
    """The machine, the best model with its parts, and a reason for every other."""
    verdicts = judge(ENTRIES, machine, LOAD, weights_bytes={})
    assert expected in "\n".join(advice_lines(verdicts, machine, LOAD))


@pytest.mark.parametrize(
    ("machine", "load", "expected"),
    [
        (
            LAPTOP,
            LOAD,
            "engine.max_model_len = 2048, engine.kv_cache_memory_bytes = 100663296",
        ),
        (
            LAPTOP,
            replace(LOAD, reserved_cache_bytes=1 << 30),
            "engine.max_model_len = 2048",
        ),
        (CARD, LOAD, "engine.max_model_len = 2048"),
        (CARD, replace(LOAD, context_tokens=32_768, concurrency=1), None),
    ],
)
def test_advice_names_the_settings_that_it_counts_on(
    machine: Machine, load: Load, expected: str | None
) -> None:
    """The engine's own would make room for the longest context, or not enough."""
    verdicts = judge(ENTRIES, machine, load, weights_bytes={})
    lines = list(advice_lines(verdicts, machine, load))
    reported = [line for line in lines if "With these settings" in line]
    assert ([f"  With these settings: {expected}"] if expected else []) == reported


def test_a_shipped_model_needs_no_fetching() -> None:
    """It is recommended as what it is, its weights counted about."""
    shipped = [entry for entry in ENTRIES if entry.shipped]
    verdicts = judge(shipped, LAPTOP, LOAD, weights_bytes={})
    text = "\n".join(advice_lines(verdicts, LAPTOP, LOAD))
    assert "It is part of this installation." in text
    assert "weights about" in text


def test_json_holds_every_fact() -> None:
    """Null is "not known"."""
    (value,) = json.loads(as_json([find_entry(ENTRIES, "seed-coder-8b-base")]))
    assert (None, None, "MIT") == (
        value["architecture"],
        value["checkpoint"],
        value["licence"],
    )


def test_advice_in_json_has_bytes() -> None:
    """With the recommended name beside all verdicts."""
    value = json.loads(verdicts_json(judge(ENTRIES, LAPTOP, LOAD, weights_bytes={})))
    assert "qwen2.5-coder-0.5b" == value["recommended"]
    models = {model["name"]: model for model in value["models"]}
    assert len(ENTRIES) == len(models)
    small = models["qwen2.5-coder-0.5b"]
    assert 459_000_000 == small["need"]["weights"]
    assert "fits" == small["rating"]
    assert models["seed-coder-8b-base"]["total_bytes"] is None
