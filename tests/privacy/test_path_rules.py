"""Which files are private, beside git's own answer."""

import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lsp_server.privacy.path_rules import Exclusion, PathRules

DEFAULT, OWN, GIT = Exclusion.DEFAULT, Exclusion.OWN_FILE, Exclusion.GIT_FILE

Tree = Callable[[Mapping[str, str]], Path]


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tree:
    """Write files below a home folder, and return that folder."""
    home = tmp_path / "home"
    monkeypatch.setenv("HOME", str(home))

    def make(files: Mapping[str, str]) -> Path:
        for name, text in files.items():
            path = home / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return home

    return make


REPOSITORY = {"p/.git/HEAD": "ref: refs/heads/main\n"}


@pytest.mark.parametrize(
    ("files", "path", "expected"),
    [
        ({}, "p/a.py", None),
        ({"p/.gitignore": "gen/\n"}, "p/gen/a.py", GIT),
        ({"p/.gitignore": "gen/\n"}, "p/gen", None),
        ({"p/.gitignore": "/a.py\n"}, "p/b/a.py", None),
        ({"p/.gitignore": "*.py\n!a.py\n"}, "p/a.py", None),
        ({"p/.gitignore": "*.py\n", "p/b/.gitignore": "!a.py\n"}, "p/b/a.py", None),
        ({"p/.gitignore": "b/\n", "p/b/.gitignore": "!a.py\n"}, "p/b/a.py", GIT),
        ({"p/.gitignore": "b/**\n", "p/b/.gitignore": "!a.py\n"}, "p/b/a.py", None),
        ({"p/.gitignore": "a/**/z.py\n"}, "p/a/b/c/z.py", GIT),
        ({"p/.gitignore": "\ufeff*.py\r\n"}, "p/a.py", GIT),
        ({"p/.gitignore": "[z-a]\n*.py\n"}, "p/a.py", GIT),
        ({"p/.git/info/exclude": "*.py\n"}, "p/a.py", GIT),
        ({"p/.git/info/exclude": "*.py\n", "p/.gitignore": "!a.py"}, "p/a.py", None),
        # Around the repository, and without one.
        ({".gitignore": "*\n"}, "p/a.py", None),
        ({".gitignore": "*\n"}, "q/a.py", None),
        ({"q/.gitignore": "*.py\n"}, "q/b/a.py", GIT),
        ({".git/HEAD": "", ".gitignore": "*.py\n"}, "q/a.py", GIT),
        ({".git/HEAD": "", ".gitignore": "p/\n"}, "p/a.py", None),
        # Midfill's own file has the last word.
        ({"p/.midfillignore": "*.py\n"}, "p/b/a.py", OWN),
        ({".midfillignore": "p/\n"}, "p/a.py", OWN),
        ({"p/.midfillignore": "!a.py", "p/.gitignore": "*.py"}, "p/a.py", None),
        ({"p/.midfillignore": "!.env\n"}, "p/.env", None),
        (
            {"p/.midfillignore": "*.py\n", "p/b/.midfillignore": "!a.py"},
            "p/b/a.py",
            None,
        ),
        # What git keeps is private all the same.
        ({"p/.gitignore": "!.env\n"}, "p/.env", DEFAULT),
        ({"p/.gitignore": ".env*\n"}, "p/.env.example", GIT),
        # Names that are no UTF-8, and none that a file can have.
        ({"p/.gitignore": "*.py\n"}, "p/\udcff.py", GIT),
        ({"p/.gitignore": "*.py\n"}, "p/\ud800.py", None),
        ({"p/.gitignore": "*.py\n"}, "p/a\0.py", None),
        ({"p/.gitignore": "*.py\n"}, "p/" + "a/" * 3000 + ".env", DEFAULT),
    ],
)
def test_the_nearest_rule_that_knows_a_file_decides(
    tree: Tree, files: Mapping[str, str], path: str, expected: Exclusion | None
) -> None:
    """Own rules come before the default ones, and those before git's."""
    home = tree({**REPOSITORY, **files})
    rules = PathRules()

    assert expected is rules.exclusion(PurePosixPath(home, path))


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (".env", True),
        (".env.local", True),
        ("PROD.ENV", True),
        (".env.example", False),
        ("environment.py", False),
        ("ID_RSA", True),
        ("id_ed25519.pub", True),
        ("server.Pem", True),
        ("credentials.json", True),
        ("credentials.py", False),
        (".ssh/config", True),
        ("ssh/config", False),
        ("a/.kube/config", True),
        ("kube/config", False),
        ("a/.git/config", True),
        ("a/.git/COMMIT_EDITMSG", False),
        ("prod.tfvars", True),
        ("monkey.py", False),
        ("key.go", False),
        (".npmrc", True),
    ],
)
@pytest.mark.parametrize("reads_disk", [True, False])
def test_keys_and_credentials_are_private_everywhere(
    tree: Tree,
    path: str,
    expected: bool,  # noqa: FBT001  # a column of the table
    reads_disk: bool,  # noqa: FBT001  # as above
) -> None:
    """Their names are enough, in either case and without a file on the disk."""
    home = tree({})
    found = PathRules(reads_disk=reads_disk).exclusion(home / path)

    assert (found is DEFAULT) is expected


def test_a_client_elsewhere_has_no_ignore_files_here(tree: Tree) -> None:
    """A path of another machine is not looked up on this one."""
    path = tree({"p/.midfillignore": "*\n"}) / "p" / "a.py"

    assert PathRules().exclusion(path) is OWN
    assert PathRules().exclusion(path, is_here=False) is None
    assert PathRules(reads_disk=False).exclusion(path) is None


def test_a_link_is_private_with_its_target(tree: Tree) -> None:
    """A harmless name does not open what the target's name closes; loops end."""
    home = tree({"p/.env": "A=1\n", "q/.midfillignore": "*\n", "q/a.py": ""})
    (home / "p" / "settings.txt").symlink_to(".env")
    (home / "p" / "shared").symlink_to(home / "q")
    (home / "p" / "loop").symlink_to("loop")
    rules = PathRules()

    assert rules.exclusion(home / "p" / "settings.txt") is DEFAULT
    assert rules.exclusion(home / "p" / "shared" / "a.py") is OWN
    assert rules.exclusion(home / "p" / "loop" / "a.py") is None


def test_a_linked_worktree_has_the_excludes_of_its_repository(tree: Tree) -> None:
    """``.git`` is a file there, and names a folder that names the common one."""
    home = tree(
        {
            "p/.git/info/exclude": "*.py\n",
            "p/.git/worktrees/w/commondir": "../..\n",
            "w/.git": "gitdir: ../p/.git/worktrees/w\n",
            "broken/.git": "gitdir: nowhere\n",
        }
    )

    assert PathRules().exclusion(home / "w" / "a.py") is GIT
    assert PathRules().exclusion(home / "broken" / "a.py") is None


def test_changed_rules_count_a_second_later(tree: Tree) -> None:
    """A rule that comes, changes or goes is followed, also in a folder above."""
    home = tree({**REPOSITORY, "p/b/a.py": ""})
    path, ignore, now_s = home / "p/b/a.py", home / "p/.gitignore", 0.0
    rules = PathRules(clock=lambda: now_s)
    found = []
    for text in ("", "*.py\n", "*.pyc\n", "*.py*\n", None):
        if text is None:
            ignore.unlink()
        else:
            ignore.write_text(text, encoding="utf-8")
        now_s += 1.5
        found.append(rules.exclusion(path))

    assert found == [None, GIT, None, GIT, None]


@pytest.mark.parametrize("kind", ["folder", "pipe", "huge"])
def test_what_is_no_ignore_file_is_not_read(tree: Tree, kind: str) -> None:
    """Nothing waits for a pipe, and nothing reads without end."""
    home = tree(REPOSITORY)
    ignore = home / "p" / ".gitignore"
    if kind == "folder":
        ignore.mkdir()
    elif kind == "pipe":
        os.mkfifo(ignore)
    else:
        ignore.write_text("*.py\n" * 300_000, encoding="utf-8")

    assert PathRules().exclusion(home / "p" / "a.py") is None


NAMES = st.sampled_from(["a", "b", "c.py", "d1", "#x", "!x", "x "])
LINES = """\
* !*/ *.py !*.py a !a a/ !a/ /a a/b !a/b a/* !a/b/ **/b a/** a/**/c.py b/ !/b c.py \
!c.py [!a] \\!x \\#x #c /* !/a **/ !**/b/ d? ** a//b !**"""
PATTERNS = st.sampled_from([*LINES.split(), "x ", "x\\ ", ""])
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)


@settings(max_examples=40, deadline=None)
@given(
    paths=st.sets(PATHS, min_size=1, max_size=12),
    lines=st.lists(PATTERNS, max_size=6),
    nested=st.lists(PATTERNS, max_size=4),
)
def test_git_ignores_the_same_files(
    tmp_path_factory: pytest.TempPathFactory,
    paths: set[str],
    lines: list[str],
    nested: list[str],
) -> None:
    """What git says of a random tree with random patterns is what is said here."""
    root = tmp_path_factory.mktemp("repository")
    subprocess.run(["git", "init", "-q", root], check=True)
    files = {path for path in paths if not any(p.startswith(f"{path}/") for p in paths)}
    for path in files:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()
    (root / ".gitignore").write_text("\n".join(lines) + "\n", encoding="utf-8")
    if (root / "a").is_dir():
        text = "\n".join(nested) + "\n"
        (root / "a" / ".gitignore").write_text(text, encoding="utf-8")
    answer = subprocess.run(
        ["git", "-C", root, "check-ignore", "--no-index", "-z", "--stdin"],
        input="\0".join(sorted(files)),
        capture_output=True,
        text=True,
        check=False,
    )
    rules = PathRules()

    private = {path for path in files if rules.exclusion(root / path)}

    assert private == set(answer.stdout.split("\0")) - {""}
