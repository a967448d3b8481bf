"""Sources become a finished corpus, the same every time, or nothing at all."""

import gzip
import json
import shutil
from collections.abc import Callable, Iterable
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TypeAlias

import pytest

from lsp_server.errors import CorpusError
from training.corpus import pipeline
from training.corpus.output import split_of
from training.corpus.pipeline import BuildOptions, build_corpus

WriteWheel: TypeAlias = Callable[..., Path]
MakeModule: TypeAlias = Callable[[int], str]
NAMES = ("alpha", "beta", "gamma", "delta", "epsilon", "zeta")


@pytest.fixture
def options(
    tmp_path: Path,
    evaluation_data: Path,
    write_wheel: WriteWheel,
    make_module: MakeModule,
) -> BuildOptions:
    """Return options for six packages of two modules, one of them in all packages."""
    for seed, name in enumerate(NAMES):
        write_wheel(
            name,
            {
                f"{name}/own.py": make_module(seed),
                f"{name}/shared.py": make_module(99),
                f"{name}/__init__.py": "",
            },
        )
    return BuildOptions(
        sources=(tmp_path / "wheels",),
        output=tmp_path / "corpus",
        evaluation_data=(evaluation_data,),
        held_out_share=0.5,
        shard_bytes=20_000,
    )


def quiet(_line: str) -> None:
    """Ignore everything."""


def contents(folder: Path) -> dict[str, bytes]:
    """Read every file of a folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def files(folder: Path, split: str) -> list[dict[str, str]]:
    """Read a split's source files."""
    return [
        json.loads(line)
        for path in sorted(folder.glob(f"{split}-*.jsonl.gz"))
        for line in gzip.decompress(path.read_bytes()).splitlines()
    ]


def test_divides_by_package(options: BuildOptions) -> None:
    """Every package is on the side that its name gives, with all its files."""
    build_corpus(options, progress=quiet)
    sides = {
        split: {file["package"] for file in files(options.output, split)}
        for split in ("train", "held-out")
    }
    assert set(NAMES) == sides["train"] | sides["held-out"]
    for split, names in sides.items():
        assert names
        assert {n for n in NAMES if split_of(n, held_out_share=0.5) == split} == names


def test_keeps_one_of_each_text(options: BuildOptions, make_module: MakeModule) -> None:
    """The common module is there once, of the package that comes first by name."""
    build_corpus(options, progress=quiet)
    every = [*files(options.output, "train"), *files(options.output, "held-out")]
    assert ["alpha"] == [f["package"] for f in every if f["text"] == make_module(99)]
    assert {"exact duplicate", "too short"} == read_manifest(options)[
        "dropped_files"
    ].keys()


def read_manifest(options: BuildOptions) -> dict[str, dict[str, object]]:
    """Read the manifest, as far as these tests look at it."""
    decoded: dict[str, dict[str, object]] = json.loads(
        (options.output / "manifest.json").read_text(encoding="utf-8")
    )
    return decoded


def test_manifest_agrees_with_the_shards(options: BuildOptions) -> None:
    """Packages, files and characters are what the shards hold."""
    manifest = build_corpus(options, progress=quiet)
    for split in ("train", "held-out"):
        held = files(options.output, split)
        totals = manifest.totals(split)
        assert len({file["package"] for file in held}) == totals.packages
        assert len(held) == totals.files
        assert sum(len(file["text"]) for file in held) == totals.characters
        assert len(held) == sum(s.files for s in manifest.shards if s.split == split)
    assert {"train": 1, "held-out": 1}.keys() == read_manifest(options)["totals"].keys()


def test_manifest_says_what_a_near_duplicate_is(options: BuildOptions) -> None:
    """Threshold, runs, permutations, bands and hash are written down."""
    build_corpus(options, progress=quiet)
    parameters = read_manifest(options)["parameters"]
    assert {
        "near_duplicate_threshold": 0.8,
        "near_duplicate_words": 5,
        "near_duplicate_permutations": 128,
        "near_duplicate_bands": 16,
        "near_duplicate_seed": 1,
        "near_duplicate_hash": f"datasketch {version('datasketch')} affine32",
    }.items() <= parameters.items()


def test_attribution_names_what_is_trained_on(options: BuildOptions) -> None:
    """The list that the model ships with has no package that is held out."""
    build_corpus(options, progress=quiet)
    for split, file in (("train", ""), ("held-out", "-held-out")):
        path = options.output / f"ATTRIBUTION{file}.md"
        named = path.read_text(encoding="utf-8")
        expected = {n for n in NAMES if split_of(n, held_out_share=0.5) == split}
        assert expected == {n for n in NAMES if f"| {n} | 1.0 | MIT |" in named}


def test_same_sources_give_the_same_bytes(
    options: BuildOptions, tmp_path: Path
) -> None:
    """Neither the folder, nor the order of sources, nor the workers change a byte."""
    build_corpus(options, progress=quiet)
    moved = tmp_path / "elsewhere" / "wheels"
    shutil.copytree(options.sources[0], moved)
    other = replace(options, sources=(moved,), output=tmp_path / "second", workers=2)
    build_corpus(other, progress=quiet)
    assert contents(options.output) == contents(other.output)
    archives = sorted(moved.iterdir())
    orders = [
        replace(options, sources=tuple(names), output=tmp_path / f"third-{n}")
        for n, names in enumerate([archives, archives[::-1]])
    ]
    for each in orders:
        build_corpus(each, progress=quiet)
    assert contents(orders[0].output) == contents(orders[1].output)


def test_names_no_path_of_the_machine(options: BuildOptions, tmp_path: Path) -> None:
    """The corpus may be published: folders' names are not in it."""
    build_corpus(options, progress=quiet)
    for name, content in contents(options.output).items():
        plain = gzip.decompress(content) if name.endswith(".gz") else content
        assert str(tmp_path).encode() not in plain


def test_evaluation_data_stays_out(
    options: BuildOptions, write_wheel: WriteWheel, make_module: MakeModule
) -> None:
    """A file with a task's solution in it is dropped and counted."""
    stolen = (
        "def add_first_numbers(numbers, limit):\n    chosen = sorted(numbers)\n"
        "    answer = sum(chosen[:limit])\n    return answer\n"
    )
    write_wheel("eta", {"a.py": make_module(7) + stolen, "b.py": make_module(8)})
    build_corpus(options, progress=quiet)
    every = [*files(options.output, "train"), *files(options.output, "held-out")]
    assert ["b.py"] == [file["path"] for file in every if file["package"] == "eta"]
    assert 1 == read_manifest(options)["dropped_files"]["evaluation data"]["files"]  # type: ignore[index]  # decoded JSON


def test_refused_packages_stay_out(
    options: BuildOptions, write_wheel: WriteWheel, make_module: MakeModule
) -> None:
    """Nothing of a refused package is in the corpus, and the manifest names it."""
    archives = {
        "licence of the GPL family": write_wheel(
            "eta", {"a.py": make_module(7)}, License="GPLv3"
        ),
        "licence unknown": write_wheel("theta", {"a.py": make_module(8)}, Summary="x"),
    }
    build_corpus(options, progress=quiet)
    assert {reason: [path.name] for reason, path in archives.items()} == read_manifest(
        options
    )["refused_sources"]
    every = [*files(options.output, "train"), *files(options.output, "held-out")]
    assert set(NAMES) == {file["package"] for file in every}


def test_says_how_far_it_is(options: BuildOptions) -> None:
    """The last of the reading is always reported, with what is kept so far."""
    lines: list[str] = []
    build_corpus(options, progress=lines.append)
    assert any(line.startswith("6 of 6 sources read; kept 7 files") for line in lines)


def leftovers(folder: Path, known: Iterable[str]) -> set[str]:
    """Return the names in a folder that were not there before."""
    return {path.name for path in folder.iterdir()} - set(known)


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"held_out_share": 1.0}, "share"),
        ({"held_out_share": -0.1}, "share"),
        ({"output": Path("missing/corpus")}, "parent folder is missing"),
        ({"output": Path("wheels")}, "not an empty folder"),
        ({"sources": (Path("missing"),)}, "does not exist"),
        ({"evaluation_data": (Path("missing"),)}, "cannot be read"),
    ],
)
def test_bad_orders_leave_nothing(
    options: BuildOptions, tmp_path: Path, changes: dict[str, object], what: str
) -> None:
    """Options that cannot be used are an error, and nothing is written."""
    absolute = {
        key: tmp_path / value if isinstance(value, Path) else value
        for key, value in changes.items()
    }
    before = [path.name for path in tmp_path.iterdir()]
    with pytest.raises(CorpusError, match=what):
        build_corpus(replace(options, **absolute), progress=quiet)  # type: ignore[arg-type]  # several types
    assert set() == leftovers(tmp_path, before)


def test_nothing_to_keep_is_an_error(
    options: BuildOptions, tmp_path: Path, write_wheel: WriteWheel
) -> None:
    """A corpus without a file is none, and the reasons are reported."""
    archive = write_wheel("eta", {"a.py": ""}, folder="other", License="MIT")
    before = [path.name for path in tmp_path.iterdir()]
    with pytest.raises(CorpusError, match=r"not one file.*too short"):
        build_corpus(replace(options, sources=(archive,)), progress=quiet)
    assert set() == leftovers(tmp_path, before)


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (OSError(28, "No space left"), "Free space"),
        (OSError(13, "Denied"), "Check"),
        (BrokenProcessPool(), "fewer workers"),
    ],
)
def test_trouble_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch,
    options: BuildOptions,
    tmp_path: Path,
    error: Exception,
    remedy: str,
) -> None:
    """A full disk or a killed worker is reported as such, and what was written goes."""

    def fail(*_: object) -> None:
        raise error

    before = [path.name for path in tmp_path.iterdir()]
    monkeypatch.setattr(pipeline, "render_attributions", fail)
    with pytest.raises(CorpusError, match=remedy):
        build_corpus(options, progress=quiet)
    assert set() == leftovers(tmp_path, before)
