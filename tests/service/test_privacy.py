"""Documents that privacy keeps from the model."""

import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from lsp_server.config import PrivacyConfig
from lsp_server.engine.scripted import ScriptedEngine
from lsp_server.service.completion import CompletionService
from lsp_server.service.privacy import Privacy
from lsp_server.service.typed_ahead import TypedAhead
from lsp_server.values import Snapshot, Snippet, Trigger

AtCursor = Callable[[str], Snapshot]
MakeService = Callable[..., tuple[CompletionService, ScriptedEngine]]

DEFAULT = PrivacyConfig()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository in which git ignores one file, and Midfill another."""
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    (tmp_path / ".gitignore").write_text("git.py\n", encoding="utf-8")
    (tmp_path / ".midfillignore").write_text("own.py\n", encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "config", "word"),
    [
        ("a.py", DEFAULT, None),
        (".env", DEFAULT, "private-by-default"),
        ("own.py", DEFAULT, "midfill-ignored"),
        ("git.py", DEFAULT, "git-ignored"),
        ("git.py", replace(DEFAULT, complete_git_ignored=True), None),
        ("own.py", replace(DEFAULT, complete_git_ignored=True), "midfill-ignored"),
        (".env", replace(DEFAULT, ignore_rules=False), None),
    ],
)
async def test_a_private_document_gets_no_completions_by_hand_either(  # noqa: PLR0917  # pytest passes them by name
    make_service: MakeService,
    at_cursor: AtCursor,
    repository: Path,
    name: str,
    config: PrivacyConfig,
    word: str | None,
) -> None:
    """The reason says which rule it is, and nothing is generated."""
    service, _ = make_service("1\n", privacy=Privacy(config))
    snapshot = replace(at_cursor("x = |\n"), uri=(repository / name).as_uri())

    result = await service.complete(
        snapshot, request_id="r1", trigger=Trigger.INVOKED, typed=TypedAhead()
    )

    assert word == (result.reason.word if result.reason else None)
    assert bool(result.prompt) is (word is None)


KEY = "AKIA" + "Q7Z2" * 4


@pytest.mark.parametrize(
    ("marked", "generated", "word"),
    [
        ("key = |\n", f'"{KEY}"\n', "filter-secret"),
        ('key = "AKIA|"\n', KEY[4:] + "\n", "filter-secret"),
        (f'old = "{KEY}"\nkey = |\n', f'"{KEY}"\n', None),
        ("password = |\n", '"a1b2c3d4"\n', "filter-secret"),
        ("password = |\n", '"password"\n', None),
        ("x = |\n", '"a\u202eb"\n', "filter-hidden-characters"),
        ("y = 'a\u202eb'\nx = |\n", '"a\u202eb"\n', None),
        ("x = |\n", '"👩\u200d💻"\n', None),
    ],
)
async def test_a_text_that_must_not_be_shown_is_dropped(
    make_service: MakeService,
    at_cursor: AtCursor,
    marked: str,
    generated: str,
    word: str | None,
) -> None:
    """Not so where the document holds the same; the reason says what it was."""
    service, _ = make_service(generated)

    result = await service.complete(
        at_cursor(marked), request_id="r1", trigger=Trigger.INVOKED, typed=TypedAhead()
    )

    assert word == (result.reason.word if result.reason else None)
    assert all(KEY not in each.text for each in result.completions) or KEY in marked


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (DEFAULT, {"a.py": 'k = "<AWS_ACCESS_KEY>"\n'}),
        (
            PrivacyConfig(ignore_rules=False, secrets=False, hidden_characters=False),
            dict.fromkeys(("a.py", "git.py", "own.py", ".env"), f'k = "{KEY}"\u200b\n'),
        ),
    ],
)
async def test_snippets_of_private_files_go_and_others_are_cleaned(
    repository: Path, config: PrivacyConfig, expected: dict[str, str]
) -> None:
    """A prompt holds neither, unless the settings say so."""
    snippets = [
        Snippet(
            path=name,
            text=f'k = "{KEY}"\u200b\n',
            score=1.0,
            uri=(repository / name).as_uri(),
        )
        for name in ("a.py", "git.py", "own.py", ".env")
    ]

    cleaned = await Privacy(config).cleaned(snippets)

    assert {each.path: each.text for each in cleaned} == expected


async def test_what_git_ignores_is_never_context(repository: Path) -> None:
    """Also where completions in it are allowed; a name without a place counts, too."""
    privacy = Privacy(replace(DEFAULT, complete_git_ignored=True))
    uris = [(repository / "git.py").as_uri(), ""]
    snippets = [Snippet(path="p/.env", text="a", score=1.0, uri=uri) for uri in uris]

    assert await privacy.cleaned(snippets) == ()


async def test_snippets_that_were_cleaned_before_are_still_there() -> None:
    """However many new ones come with them, and at the same time for somebody else."""
    privacy = Privacy(DEFAULT)

    def pieces(first: int, last: int) -> list[Snippet]:
        numbers = range(first, last)
        return [Snippet(path="a.py", text=f"x = {n}\n", score=1.0) for n in numbers]

    await privacy.cleaned(pieces(0, 200))
    wanted = pieces(0, 300)
    assert wanted == list(await privacy.cleaned(wanted))
