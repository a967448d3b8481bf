"""Which documents are private, by their URIs."""

from pathlib import PurePath

import pytest

from lsp_server.privacy.document_rules import DocumentRules, place_of
from lsp_server.privacy.path_rules import Exclusion, PathRules


@pytest.mark.parametrize(
    ("uri", "path", "is_here"),
    [
        ("file:///p/a.py", "/p/a.py", True),
        ("file://localhost/p/a.py", "/p/a.py", True),
        ("file:///p/a%20%23b.py", "/p/a #b.py", True),
        ("file:///c%3A/Users/x/.env", "/c:/Users/x/.env", True),
        ("file://host/share/.env", "/share/.env", False),
        (r"C:\Users\x\.env", "/Users/x/.env", False),
        ("untitled:Untitled-1", "Untitled-1", False),
        ("untitled:/p/.env", "/p/.env", True),
        ("vscode-notebook-cell:/p/n.ipynb#W0sZmlsZQ%3D%3D", "/p/n.ipynb", True),
        ("git:/p/.env?%7B%22ref%22%3A%22%22%7D", "/p/.env", True),
        ("vscode-remote://ssh-remote+host/p/.env", "/p/.env", False),
        ("file://[/p/.env", "file:/[/p/.env", False),
        ("", ".", False),
    ],
)
def test_a_uri_says_where_a_document_is(
    uri: str,
    path: str,
    is_here: bool,  # noqa: FBT001  # a column of the table
) -> None:
    """Only what would be a file of this machine is looked up on its disk."""
    place = place_of(uri)

    assert (str(place.path), place.is_here) == (path, is_here)


async def test_most_keys_ask_nobody_and_a_change_is_noticed() -> None:
    """An answer holds for five seconds, each document's by itself."""
    asked: list[str] = []
    now_s = 0.0

    class Rules(PathRules):
        def exclusion(
            self, path: PurePath, *, is_folder: bool = False, is_here: bool = True
        ) -> Exclusion | None:
            asked.append(path.name)
            return super().exclusion(path, is_folder=is_folder, is_here=is_here)

    documents = DocumentRules(Rules(), clock=lambda: now_s)
    found = [await documents.exclusion("untitled:.env") for _ in range(3)]
    assert await documents.exclusion("untitled:a.py") is None
    now_s = 6.0
    found.append(await documents.exclusion("untitled:.env"))

    assert found == [Exclusion.DEFAULT] * 4
    assert asked == [".env", "a.py", ".env"]
