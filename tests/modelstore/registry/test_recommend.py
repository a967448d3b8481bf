"""The largest model that fits is recommended, and of the others it is said why not."""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

import pytest

from lsp_server.config import SHIPPED_MODEL
from lsp_server.hardware import Gpu
from lsp_server.modelstore.registry.catalogue import Entry, load_registry
from lsp_server.modelstore.registry.recommend import (
    Load,
    Machine,
    Need,
    Rating,
    Verdict,
    judge,
    memory_need,
    recommended,
)

MakeEntry: TypeAlias = Callable[..., Entry]


GIB = 1 << 30
LOAD = Load(context_tokens=2048, concurrency=4)


@pytest.fixture
def make_longer(make_entry: MakeEntry) -> MakeEntry:
    """Make entries that know the context of the usual load."""
    return lambda **facts: replace(make_entry(**facts), context_length=2048)


def gpu(total_gib: float, *, free_gib: float = 1000, capability: int = 8) -> Machine:
    """Make a machine with one GPU."""
    total = int(total_gib * GIB)
    return Machine(
        gpus=(
            Gpu(
                name="A GPU",
                capability=(capability, 0),
                free_bytes=min(total, int(free_gib * GIB)),
                total_bytes=total,
            ),
        ),
        gpu_share=0.9,
        ram_bytes=0,
        cores=1,
    )


def cpu(ram_gib: float, cores: int) -> Machine:
    """Make a machine without a GPU."""
    return Machine(gpus=(), gpu_share=0.9, ram_bytes=int(ram_gib * GIB), cores=cores)


def need_of(entry: Entry, *, device: str = "cpu") -> Need:
    """Return what an entry needs."""
    need = memory_need(entry, LOAD, device=device)
    assert need is not None
    return need


def judge_one(entry: Entry, machine: Machine, load: Load = LOAD) -> Verdict:
    """Return the verdict about one model."""
    (verdict,) = judge([entry], machine, load, weights_bytes={})
    return verdict


def verdicts_on(machine: Machine) -> dict[str, Verdict]:
    """Judge the shipped registry."""
    found = judge(load_registry(), machine, LOAD, weights_bytes={})
    return {verdict.entry.name: verdict for verdict in found}


@pytest.mark.parametrize(
    ("machine", "name"),
    [
        (gpu(80), "qwen2.5-coder-32b"),
        (gpu(24), "qwen2.5-coder-32b"),
        (gpu(16), "qwen2.5-coder-14b"),
        (gpu(10), "qwen2.5-coder-7b"),
        (gpu(24, free_gib=6), "qwen2.5-coder-3b"),
        (gpu(3), "qwen2.5-coder-0.5b"),
        (cpu(64, 64), "qwen2.5-coder-32b"),
        (cpu(16, 16), "qwen2.5-coder-7b"),
        (cpu(16, 2), "qwen2.5-coder-0.5b"),
        (cpu(1.8, 2), SHIPPED_MODEL),
    ],
)
def test_recommends_what_the_machine_holds(machine: Machine, name: str) -> None:
    """From a large GPU to a small laptop."""
    best = recommended(list(verdicts_on(machine).values()))
    assert best is not None
    assert name == best.entry.name


@pytest.mark.parametrize("machine", [cpu(0.1, 2), gpu(80, capability=7)])
def test_recommends_nothing_where_nothing_fits(machine: Machine) -> None:
    """No memory, or a GPU that is too old."""
    found = verdicts_on(machine).values()
    assert recommended(list(found)) is None
    assert all(verdict.why for verdict in found)


@pytest.mark.parametrize(
    ("machine", "name", "rating", "why"),
    [
        (gpu(8), "qwen2.5-coder-32b", Rating.TOO_LARGE, "of 7.2 GiB"),
        (gpu(24, free_gib=2), "qwen2.5-coder-7b", Rating.TOO_LARGE, "of 2.0 GiB"),
        (cpu(64, 2), "qwen2.5-coder-7b", Rating.TOO_SLOW, "tokens/s on 2 cores"),
        (gpu(80), "codestral-22b", Rating.CANNOT_RUN, "awq"),
        (gpu(80), "starcoder2-7b", Rating.CANNOT_RUN, "desc_act"),
        (gpu(80), "seed-coder-8b-base", Rating.CANNOT_RUN, "no GPTQ checkpoint"),
        (cpu(64, 64), "qwen3-coder-30b-a3b", Rating.CANNOT_RUN, "experts on a CPU"),
    ],
)
def test_says_why_not(machine: Machine, name: str, rating: Rating, why: str) -> None:
    """Every model that is not recommended has its reason."""
    verdict = verdicts_on(machine)[name]
    assert rating is verdict.rating
    assert why in verdict.why


@pytest.mark.parametrize(
    ("changes", "machine", "why"),
    [
        ({"bits": 8}, cpu(80, 8), "there is no 8-bit kernel for cpu"),
        ({"group_size": 48}, gpu(80), "group size 48"),
    ],
)
def test_says_what_of_the_format_cannot_run(
    make_longer: MakeEntry, changes: dict[str, object], machine: Machine, why: str
) -> None:
    """The same rules as when a model is loaded."""
    verdict = judge_one(make_longer(**changes), machine)
    assert Rating.CANNOT_RUN is verdict.rating
    assert why in verdict.why


def test_an_unknown_shape_is_not_judged(make_longer: MakeEntry) -> None:
    """It is neither praised nor refused."""
    entry = replace(make_longer(), architecture=None)
    verdict = judge_one(entry, gpu(80))
    assert (Rating.UNKNOWN, None) == (verdict.rating, verdict.need)


def test_the_makers_own_checkpoint_comes_first(make_longer: MakeEntry) -> None:
    """A larger one of somebody else's is recommended only where there is no other."""
    own = make_longer()
    other = replace(make_longer(hub_id="other/x"), name="other", parameters=9999)
    for entries, name in (([own, other], "tiny"), ([other], "other")):
        best = recommended(judge(entries, gpu(80), LOAD, weights_bytes={}))
        assert best is not None
        assert name == best.entry.name


@pytest.mark.parametrize("part", ["weights", "cache", "activations", "base"])
@pytest.mark.parametrize(
    ("missing", "rating"), [(0, Rating.FITS), (1, Rating.TOO_LARGE)]
)
def test_a_gpu_must_hold_every_part_to_the_byte(
    make_longer: MakeEntry, part: str, missing: int, rating: Rating
) -> None:
    """Without the last byte, or without any one part, the model is too large."""
    entry = make_longer(weights_bytes=5 * GIB)
    need = need_of(entry, device="cuda")
    for total, expected in (
        (need.total - missing, rating),
        (need.total - getattr(need, part), Rating.TOO_LARGE),
    ):
        card = replace(gpu(1).gpus[0], total_bytes=total, free_bytes=total)
        machine = replace(gpu(1), gpus=(card,), gpu_share=1.0)
        verdict = judge_one(entry, machine)
        assert expected is verdict.rating


@pytest.mark.parametrize(
    ("missing", "rating"), [(0, Rating.FITS), (1, Rating.TOO_LARGE)]
)
def test_a_cpu_leaves_a_fifth_to_the_rest(
    make_longer: MakeEntry, missing: int, rating: Rating
) -> None:
    """Four fifths of the free memory must hold the model, to the byte."""
    entry = make_longer()
    ram_bytes = -(-need_of(entry).total * 5 // 4)
    machine = replace(cpu(1, 64), ram_bytes=ram_bytes - 2 * missing)
    verdict = judge_one(entry, machine)
    assert rating is verdict.rating


@pytest.mark.parametrize(
    ("total", "share", "free", "budget"),
    [(100, 0.9, 100, 90), (100, 0.9, 90, 90), (100, 0.9, 89, 89), (100, 1.0, 0, 0)],
)
def test_a_gpu_gives_its_share_or_what_is_free(
    total: int, share: float, free: int, budget: int
) -> None:
    """Whichever is less."""
    card = replace(gpu(1).gpus[0], total_bytes=total, free_bytes=free)
    machine = replace(gpu(1), gpus=(card,), gpu_share=share)
    assert budget == machine.budget_bytes


@pytest.mark.parametrize(
    ("weights", "rating"),
    [(500_000_000, Rating.FITS), (500_000_001, Rating.TOO_SLOW)],
)
def test_ten_tokens_a_second_are_the_least(
    make_longer: MakeEntry, weights: int, rating: Rating
) -> None:
    """A core that reads 5 GB/s gives ten tokens of half a gigabyte each."""
    entry = make_longer(weights_bytes=weights)
    verdict = judge_one(entry, cpu(16, 1))
    assert rating is verdict.rating


@pytest.mark.parametrize(
    ("capability", "rating"),
    [((7, 5), Rating.FITS), ((7, 4), Rating.CANNOT_RUN), ((10, 0), Rating.FITS)],
)
def test_turing_is_the_oldest_gpu(
    make_longer: MakeEntry, capability: tuple[int, int], rating: Rating
) -> None:
    """Compute capabilities are pairs of numbers, not decimals."""
    card = replace(gpu(24).gpus[0], capability=capability)
    machine = replace(gpu(24), gpus=(card,))
    verdict = judge_one(make_longer(), machine)
    assert rating is verdict.rating


@pytest.mark.parametrize(
    ("context", "rating"),
    [(2048, Rating.FITS), (2049, Rating.TOO_SHORT), (1_000_000, Rating.TOO_SHORT)],
)
def test_a_context_that_the_model_does_not_know_is_not_fitting(
    make_longer: MakeEntry, context: int, rating: Rating
) -> None:
    """A model of 2,048 tokens does not read a million, however much memory there is."""
    entry = make_longer()
    load = Load(context_tokens=context, concurrency=1)
    verdict = judge_one(entry, gpu(80), load)
    assert rating is verdict.rating
    assert rating is Rating.FITS or "2,048 tokens of context" in verdict.why
