"""Changes single places of the code at random, and looks whether a test fails.

``python -m benchmarks.mutants`` takes 30 mutants of what a user would notice first: the
filters, the framing, document sync and settings. It works in a copy of the repository,
prints each mutant that no test noticed, and writes a list of all.

``make mutants`` installs what it needs, and runs it.
"""

import argparse
import os
import random
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from cosmic_ray.ast import ast_nodes, get_ast_from_path
from cosmic_ray.mutating import mutate_and_test
from cosmic_ray.plugins import get_operator, operator_names
from cosmic_ray.work_item import MutationSpec, TestOutcome

from benchmarks.figures import circumstances, write_result

__all__ = ["main"]

_ROOT = Path(__file__).resolve().parents[1]
_RESULT = _ROOT / "benchmarks" / "results" / "mutants.json"
_TIMEOUT_S = 120.0

# These change annotations (`X | None`) for the most part, and break the import: any
# test would notice.
_LEFT_OUT = "BitOr"


@dataclass(frozen=True, slots=True, kw_only=True)
class Area:
    """Modules, and the tests that have to notice a change in them.

    Attributes:
        name: What the modules do.
        modules: Patterns of paths, from the repository's root.
        tests: Test files and folders.
    """

    name: str
    modules: tuple[str, ...]
    tests: tuple[str, ...]


AREAS = (
    Area(
        name="filters",
        modules=("lsp_server/postprocess/*.py",),
        tests=("tests/postprocess",),
    ),
    Area(
        name="framing",
        modules=("lsp_server/protocol/framing.py",),
        tests=("tests/protocol",),
    ),
    Area(
        name="document sync",
        modules=("lsp_server/protocol/document.py", "lsp_server/protocol/convert.py"),
        tests=("tests/protocol",),
    ),
    Area(
        name="settings",
        modules=("lsp_server/settings.py", "lsp_server/setting_layers.py"),
        tests=("tests/test_settings.py", "tests/test_setting_layers.py"),
    ),
)


def mutants_of(area: Area) -> Iterator[MutationSpec]:
    """Yield every mutant of an area's modules; paths are relative to the root."""
    for pattern in area.modules:
        for path in sorted(Path().glob(pattern)):
            nodes = list(ast_nodes(get_ast_from_path(path)))
            for name in operator_names():
                operator_class = get_operator(name)
                if operator_class.arguments() or _LEFT_OUT in name:
                    continue
                operator = operator_class()
                places = chain.from_iterable(map(operator.mutation_positions, nodes))
                for occurrence, (start, end) in enumerate(places):
                    yield MutationSpec(
                        module_path=path,
                        operator_name=name,
                        occurrence=occurrence,
                        start_pos=start,
                        end_pos=end,
                    )


def tests_of(area: Area) -> list[str]:
    """Return the command that runs an area's tests, up to the first failure."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider"]
    return [*command, "-m", "not engine and not gpu and not slow", *area.tests]


def is_noticed(mutant: MutationSpec, area: Area) -> tuple[bool, str]:
    """Return whether a test of the area fails with a mutant in place, and its diff."""
    result = mutate_and_test([mutant], shlex.join(tests_of(area)), _TIMEOUT_S)
    return result.test_outcome is not TestOutcome.SURVIVED, result.diff or ""


def _copy(folder: Path) -> None:
    """Copy what git knows of the repository, as it lies in the working tree."""
    command = ["git", "-C", str(_ROOT), "ls-files", "-z"]
    listed = subprocess.run(command, capture_output=True, check=True)
    for name in listed.stdout.decode().split("\0"):
        source = _ROOT / name
        if name and source.is_file():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)


def main(words: Sequence[str] | None = None) -> int:
    """Try mutants, tell which survived, and return 1 if any did."""
    parser = argparse.ArgumentParser(description="Do the tests notice a changed line?")
    parser.add_argument("--count", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=_RESULT)
    arguments = parser.parse_args(words)
    chance = random.Random(arguments.seed)  # noqa: S311 - an experiment's seed
    out = arguments.out.absolute()
    began = circumstances()
    tried: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory(prefix="midfill-mutants-") as name:
        _copy(Path(name))
        os.chdir(name)
        # What the tests start finds the copy, too, and not what is installed.
        os.environ["PYTHONPATH"] = name
        for area in AREAS:
            if subprocess.run(tests_of(area), check=False).returncode:
                print(f"the tests of {area.name} fail without a mutant")
                return 2
        all_of = {area: list(mutants_of(area)) for area in AREAS}
        drawn = {
            area: iter(chance.sample(found, len(found)))
            for area, found in all_of.items()
        }
        for number in range(arguments.count):
            area = AREAS[number % len(AREAS)]
            mutant = next(drawn[area])
            noticed, diff = is_noticed(mutant, area)
            tried.append(
                {
                    "area": area.name,
                    "module": str(mutant.module_path),
                    "line": mutant.start_pos[0],
                    "operator": mutant.operator_name,
                    "noticed": noticed,
                    "diff": [] if noticed else diff.splitlines(),
                }
            )
            mark = "noticed " if noticed else "SURVIVED"
            place = f"{mutant.module_path}:{mutant.start_pos[0]}"
            print(f"{mark} {place} {mutant.operator_name}", flush=True)
            if not noticed:
                print(diff, flush=True)
        os.chdir(_ROOT)
    survived = sum(not each["noticed"] for each in tried)
    counts = {area.name: len(found) for area, found in all_of.items()}
    write_result(
        out,
        {
            "benchmark": "mutants",
            **began,
            "seed": arguments.seed,
            "possible": counts,
            "tried": len(tried),
            "survived": survived,
            "mutants": tried,
        },
    )
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main())
