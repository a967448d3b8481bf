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
from lsp_server.values import Snapshot, Trigger

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
