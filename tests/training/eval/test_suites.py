"""Both suites read or draw sound tasks, and name data that is unsuitable."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from lsp_server.config import CompletionConfig
from lsp_server.errors import EvaluationError
from lsp_server.modelstore.verify import hash_file
from training.eval.cursors import Kind
from training.eval.sandbox import Limits, runs_to_end
from training.eval.scoring import program_of
from training.eval.suites import read_human_eval, read_replay
from training.eval.values import Extent

WriteLines = Callable[[str, Sequence[object]], Path]

TEXT = """\
def {name}(first, second):
    together = sorted([first, second])
    print("smaller one", together[0], sep=first)
    return together[0]
"""


def row(package: str, number: int, text: str = TEXT) -> dict[str, str]:
    """A file of a package, as the corpus has it."""
    return {
        "package": package,
        "path": f"{package}/m{number}.py",
        "text": text.format(name=f"f{number}"),
    }


@pytest.fixture
def shard(write_lines: WriteLines) -> Path:
    """Return a shard with one large and three small packages, and with odd files."""
    rows = [row("large", number) for number in range(40)]
    rows += [row(name, 0) for name in ("a", "b", "c")]
    rows += [row("a", 1, "def broken(:\n"), row("b", 1, "x = 1\n" * 20_000)]
    return write_lines("held-out-00000.jsonl.gz", rows)


def test_equal_numbers(shard: Path) -> None:
    """Each kind comes equally often, and from one file at most once."""
    tasks, data = read_replay([shard.parent], [], CompletionConfig(), limit=42, seed=0)
    assert {shard.name: hash_file(shard)} == data
    assert {"large", "a", "b", "c"} == {task.package for task in tasks}
    assert dict.fromkeys([kind.value for kind in Kind], 10) == Counter(
        task.category for task in tasks
    )
    assert 40 == len({(task.category, task.group) for task in tasks})
    assert 40 == len({task.task_id for task in tasks})


def test_files_that_lack_a_kind(write_lines: WriteLines) -> None:
    """Where many files have but one kind of place, numbers are equal all the same."""
    rows = [row("plain", n, "first_of_all = 1\n# {name}\n") for n in range(30)]
    rows += [row("rich", number) for number in range(5)]
    path = write_lines("held-out-0.jsonl.gz", rows)
    tasks, _ = read_replay([path], [], CompletionConfig(), limit=20, seed=0)
    assert dict.fromkeys([kind.value for kind in Kind], 5) == Counter(
        task.category for task in tasks
    )


def test_files_of_a_package_by_lot(shard: Path) -> None:
    """Not always the same file stands for a large package."""
    drawn = {
        task.group
        for seed in range(8)
        for task in read_replay([shard], [], CompletionConfig(), limit=16, seed=seed)[0]
        if task.group.startswith("large/")
    }
    assert len(drawn) > 3


def test_packages_take_turns(shard: Path) -> None:
    """The first files come from different packages, however large one is."""
    tasks, _ = read_replay([shard], [], CompletionConfig(), limit=16, seed=0)
    packages = {task.group.partition("/")[0] for task in tasks}
    assert {"large", "a", "b", "c"} == packages


def test_document_is_whole(shard: Path) -> None:
    """Prefix, missing text and suffix are the file; only a body is a block."""
    config = CompletionConfig(max_line_tokens=11, max_block_tokens=22)
    tasks, _ = read_replay([shard], [], config, limit=40, seed=0)
    for task in tasks:
        number = task.group.removesuffix(".py").rpartition("m")[2]
        whole = task.prefix + task.middle + task.suffix
        assert TEXT.format(name=f"f{number}") == whole
        is_block = task.category == Kind.EMPTY_BODY.value
        assert (Extent.BLOCK if is_block else Extent.LINE) is task.extent
        assert (22 if is_block else 11) == task.max_tokens
        assert task.test is None


def test_line_ends_are_line_feeds(write_lines: WriteLines) -> None:
    """Files from Windows are read as the model was trained to read them."""
    text = TEXT.replace("\n", "\r\n")
    path = write_lines("held-out-0.jsonl.gz", [row("a", 0, text)])
    tasks, _ = read_replay([path], [], CompletionConfig(), limit=4, seed=0)
    assert not any("\r" in task.prefix + task.middle + task.suffix for task in tasks)


def test_seed_decides(shard: Path) -> None:
    """The same seed gives the same tasks, another one others."""
    drawn = [
        read_replay([shard], [], CompletionConfig(), limit=8, seed=seed)[0]
        for seed in (1, 1, 2)
    ]
    assert drawn[0] == drawn[1] != drawn[2]


@pytest.mark.parametrize("limit", [3, 400])
def test_too_little(shard: Path, limit: int) -> None:
    """Fewer than one of each kind, or more than there are, names the counts."""
    with pytest.raises(EvaluationError, match="--limit"):
        read_replay([shard], [], CompletionConfig(), limit=limit, seed=0)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a folder as a user has it."""
    folder = tmp_path / "project"
    places = ["app/a.py", "app/sub/b.py", "tests/test_a.py", "setup.py", "lib/c.py"]
    places += [".venv/lib/x.py", "env/y.py", "app/build/z.py", "node_modules/n.py"]
    for number, place in enumerate(places):
        path = folder / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(TEXT.format(name=f"f{number}"), encoding="utf-8")
    (folder / "env" / "pyvenv.cfg").touch()
    (folder / "app" / "latin.py").write_bytes(b"x = '\xe9'\n")
    (folder / "app" / "linked.py").symlink_to(folder / "app" / "a.py")
    (folder / "pyproject.toml").write_text('[project]\nname = "My_App"\n')
    metadata = folder / "lib" / "PKG-INFO"
    metadata.write_text("Metadata-Version: 2.1\nName: other.lib\n\nName: no\n")
    return folder


def test_any_folder(project: Path) -> None:
    """The user's own files are asked for, and not those of an environment."""
    tasks, data = read_replay([], [project], CompletionConfig(), limit=20, seed=0)
    own = {"app/a.py", "app/sub/b.py", "tests/test_a.py", "setup.py", "lib/c.py"}
    assert own == {task.group for task in tasks}
    assert {"my-app", "other-lib"} == {task.package for task in tasks}
    assert {"other-lib"} == {
        task.package for task in tasks if task.group.startswith("lib/")
    }
    (project / "app" / "a.py").write_text("x = 1\n")
    _, changed = read_replay([], [project], CompletionConfig(), limit=4, seed=0)
    assert ["project"] == list(data) == list(changed)
    assert data != changed


def test_installed_packages_are_known(tmp_path: Path) -> None:
    """A file of site-packages is of the package that installed it."""
    site = tmp_path / "site-packages"
    (site / "one").mkdir(parents=True)
    (site / "one" / "a.py").write_text(TEXT.format(name="a"))
    (site / "loose.py").write_text(TEXT.format(name="b"))
    info = site / "The_One-2.0.dist-info"
    info.mkdir()
    (info / "RECORD").write_text("one/a.py,,\nThe_One-2.0.dist-info/RECORD,,\n")
    tasks, _ = read_replay([], [site], CompletionConfig(), limit=8, seed=0)
    packages = {task.group: task.package for task in tasks}
    assert {"one/a.py": "the-one", "loose.py": None} == packages


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    """A wrong name is refused with what to name."""
    with pytest.raises(EvaluationError, match="no such folder"):
        read_replay([], [tmp_path / "no"], CompletionConfig(), limit=4, seed=0)


def test_no_corpus(tmp_path: Path) -> None:
    """For a folder without held-out files it says what to do."""
    with pytest.raises(EvaluationError, match=r"training\.corpus"):
        read_replay([tmp_path], [], CompletionConfig(), limit=4, seed=0)


def test_reads_both_sets(
    write_lines: WriteLines, rows: Sequence[Mapping[str, str]]
) -> None:
    """Sets keep apart; what belongs to one problem is one group."""
    path = write_lines("a.jsonl.gz", rows)
    tasks, files = read_human_eval([path], limit=None, seed=0)
    assert [path] == files
    assert [
        ("single-line", "HumanEval/0", Extent.LINE),
        ("single-line", "HumanEval/2", Extent.LINE),
        ("random-span-light", "HumanEval/0", Extent.SPAN),
    ] == [(task.category, task.group, task.extent) for task in tasks]


def test_the_solution_passes(
    write_lines: WriteLines, rows: Sequence[Mapping[str, str]]
) -> None:
    """Prefix, missing text and suffix pass a task's test, and nothing does not."""
    tasks, _ = read_human_eval([write_lines("a.gz", rows)], limit=None, seed=0)
    for task in tasks:
        right = program_of(task, task.middle.removesuffix("\n"))
        assert runs_to_end(right, Limits())
        assert not runs_to_end(program_of(task, ""), Limits())


def test_limit_draws_from_each_set(
    write_lines: WriteLines, rows: Sequence[Mapping[str, str]]
) -> None:
    """The limit counts for each set; the seed decides, and the order stays."""
    many = [
        {**rows[0], "task_id": f"{name}/HumanEval/{number}/L0"}
        for name in ("SingleLineInfilling", "RandomSpanInfillingLight")
        for number in range(20)
    ]
    path = write_lines("a.jsonl.gz", many)
    drawn = [
        [task.task_id for task in read_human_eval([path], limit=5, seed=seed)[0]]
        for seed in (1, 1, 2)
    ]
    assert 10 == len(drawn[0])
    assert 5 == sum(each.startswith("Single") for each in drawn[0])
    assert drawn[0] == drawn[1] != drawn[2]
    ids = [row["task_id"] for row in many]
    assert drawn[0] == [each for each in ids if each in drawn[0]]


def test_refuses_what_is_no_task(write_lines: WriteLines) -> None:
    """Another benchmark's file, and an empty one, are named."""
    for held in ([{"task_id": "Other/1"}], []):
        path = write_lines("a.jsonl.gz", held)
        with pytest.raises(EvaluationError, match="human-eval-infilling") as caught:
            read_human_eval([path], limit=None, seed=0)
        assert str(path) == caught.value.subject
