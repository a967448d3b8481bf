"""A project has snippets ready, and lets no provider, document or folder disturb it."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from project_editor import (
    ROOT,
    FakeProvider,
    HangingProvider,
    ProjectEditor,
    RaisingProvider,
)

from lsp_server.config import ContextConfig
from lsp_server.project.provider import (
    DocumentClosed,
    DocumentEdited,
    DocumentOpened,
    FoldersChanged,
    Query,
)
from lsp_server.values import Snippet

Open = Callable[..., ProjectEditor]

HERE, OTHER = f"{ROOT}/a.py", f"{ROOT}/b.py"


def snippet(text: str, *, score: float = 0.5, uri: str = OTHER) -> Snippet:
    """Return a snippet of another document."""
    return Snippet(path="b.py", text=text, score=score, uri=uri)


FIRST, SECOND = snippet("first = call_one()"), snippet("second = call_two()")


def texts(snippets: tuple[Snippet, ...]) -> list[str]:
    """Return what the model would read."""
    return [each.text for each in snippets]


async def test_snippets_are_ready_before_the_first_request(open_project: Open) -> None:
    """Opening a document is enough."""
    editor = open_project(FakeProvider([FIRST]))
    here = editor.open(HERE, "x = 1\n")
    assert () == editor.project.snippets_for(here)
    editor.project.take(DocumentEdited(uri=HERE))
    await editor.project.settle()
    (found,) = editor.project.snippets_for(here)
    assert (FIRST.text, "open_tabs") == (found.text, found.source)


async def test_the_snippets_hold_until_others_are_much_better(
    open_project: Open,
) -> None:
    """A little better is not worth another prompt; a failure is no reason either."""
    provider = FakeProvider([FIRST])
    editor = open_project(provider)
    here = editor.open(HERE, "x = 1\n")
    assert [FIRST.text] == texts(await editor.gathered(here))
    for answers, expected in [
        ([replace(SECOND, score=0.55), FIRST], FIRST),
        ([], FIRST),
        ([replace(SECOND, score=0.9), replace(FIRST, score=0.1)], SECOND),
    ]:
        provider.answers = answers[:1] if expected is SECOND else answers
        held = texts(await editor.gathered(here))
        assert expected.text in held


async def test_a_jump_gathers_anew(open_project: Open) -> None:
    """A key does not; many lines further on it is another place."""
    provider = FakeProvider([FIRST])
    editor = open_project(provider)
    here = editor.open(HERE, "line\n" * 100)
    await editor.gathered(here)
    asked = len(provider.queries)
    editor.project.snippets_for(replace(here, offset=5 * 90))
    await editor.project.settle()
    assert 5 * 90 == provider.queries[asked].snapshot.offset


@pytest.mark.parametrize("bad", [HangingProvider, RaisingProvider])
async def test_a_provider_that_hangs_or_raises_is_named_once(
    open_project: Open,
    caplog: pytest.LogCaptureFixture,
    bad: type[FakeProvider],
) -> None:
    """The others go on, and no text of the document or the error gets out."""
    broken = bad(name="disabled_languages", deadline_ms=0)
    # Any other switch that is on does.
    broken.name = "enabled"
    editor = open_project(broken, FakeProvider([FIRST]))
    here = editor.open(HERE, "x = 1\n")
    for _ in range(3):
        assert [FIRST.text] == texts(await editor.gathered(here))
    named = [each for each in caplog.records if "provider_failed" in each.message]
    assert ["enabled"] == [each.__dict__["provider"] for each in named]
    assert "secret" not in caplog.text
    assert len(broken.queries) <= 1


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (ContextConfig(), 1),
        (ContextConfig(enabled=False), 0),
        (ContextConfig(open_tabs=False), 0),
        (ContextConfig(disabled_languages="go python"), 0),
        (ContextConfig(disabled_languages="open_tabs:python"), 0),
        (ContextConfig(disabled_languages="other:python open_tabs:go"), 1),
    ],
)
async def test_each_switch_switches_off(
    open_project: Open, config: ContextConfig, expected: int
) -> None:
    """All of it, a provider, a language, and a provider for a language."""
    provider = FakeProvider([FIRST])
    editor = open_project(provider, config=config)
    here = editor.open(HERE, "x = 1\n")
    assert expected == len(await editor.gathered(here))
    editor.project.configure(ContextConfig())
    assert 1 == len(await editor.gathered(here))


async def test_a_provider_that_is_switched_on_learns_what_is_open(
    open_project: Open,
) -> None:
    """It gets the folders first, then the documents."""
    provider = FakeProvider()
    editor = open_project(provider, config=ContextConfig(open_tabs=False))
    editor.open(HERE, "x = 1\n")
    assert [] == provider.events
    editor.project.configure(ContextConfig())
    folders, document = provider.events
    assert FoldersChanged(folders=(ROOT,)) == folders
    assert isinstance(document, DocumentOpened)


async def test_a_closed_document_is_no_source_any_more(open_project: Open) -> None:
    """From the moment when it is closed."""
    provider = FakeProvider([FIRST])
    editor = open_project(provider)
    here = editor.open(HERE, "x = 1\n")
    editor.open(OTHER, FIRST.text)
    assert [FIRST.text] == texts(await editor.gathered(here))
    editor.close(OTHER)
    assert () == editor.project.snippets_for(here)
    assert DocumentClosed(uri=OTHER) in provider.events


async def test_folders_do_not_mix(open_project: Open) -> None:
    """A provider sees the documents of the query's own folder only."""
    provider = FakeProvider()
    editor = open_project(provider)
    folders = (ROOT, f"{ROOT}/inner", "file:///other")
    editor.project.take(FoldersChanged(folders=folders))
    uris = [f"{ROOT}/x.py", f"{ROOT}/inner/y.py", "file:///other/z.py", "untitled:U"]
    for uri in [*uris, HERE]:
        editor.open(uri, "x = 1\n")
    await editor.gathered(editor.texts[HERE])
    seen = {
        query.snapshot.uri: [each.uri for each in query.open_documents]
        for query in provider.queries
    }
    assert [uris[0]] == seen[HERE]
    assert [] == seen[uris[1]] == seen[uris[2]] == seen[uris[3]]


@pytest.mark.parametrize("change", ["settings", "folders"])
async def test_what_is_being_gathered_does_not_outlive_a_change(
    open_project: Open, change: str
) -> None:
    """It was found under other settings, or among the documents of other folders."""
    begun, release = asyncio.Event(), asyncio.Event()

    class SlowProvider(FakeProvider):
        """Answers late, the first time."""

        async def gather(self, query: Query) -> Sequence[Snippet]:
            self.queries.append(query)
            begun.set()
            await release.wait()
            return [FIRST] if len(self.queries) == 1 else []

    editor = open_project(SlowProvider())
    here = editor.open(HERE, "x = 1\n")
    editor.project.snippets_for(here)
    await begun.wait()
    if change == "settings":
        editor.project.configure(ContextConfig(disabled_languages="go"))
    else:
        editor.project.take(FoldersChanged(folders=("file:///other",)))
    release.set()
    assert () == await editor.gathered(here)


async def test_what_is_found_is_cleaned_before_it_is_held(open_project: Open) -> None:
    """Nothing uncleaned is ever ready, and a key does not wait for the cleaning."""
    editor = open_project(FakeProvider([FIRST, SECOND]))

    async def clean(snippets: Sequence[Snippet]) -> Sequence[Snippet]:
        return [replace(each, text="clean") for each in snippets if each is not FIRST]

    editor.project.configure(ContextConfig(), clean=clean)
    here = editor.open(HERE, "x = 1\n")
    assert ["clean"] == texts(await editor.gathered(here))


async def test_only_the_latest_documents_are_gathered_for_ahead(
    open_project: Open,
) -> None:
    """An editor that opens a hundred documents at its start costs no more."""
    provider = FakeProvider()
    editor = open_project(provider)
    uris = [f"{ROOT}/{number}.py" for number in range(100)]
    for uri in uris:
        editor.open(uri, "x = 1\n")
    await editor.project.settle()
    asked = [each.snapshot.uri for each in provider.queries]
    assert uris[-1:-7:-1] == asked


async def test_the_most_recently_used_document_comes_first(open_project: Open) -> None:
    """A document is used when it is opened and when something is asked there."""
    provider = FakeProvider()
    editor = open_project(provider)
    uris = [f"{ROOT}/{name}.py" for name in "abc"]
    opened = [editor.open(uri, "x = 1\n") for uri in uris]
    editor.project.snippets_for(opened[0])
    await editor.gathered(opened[1])
    query = next(each for each in provider.queries if each.snapshot.uri == uris[1])
    assert [uris[0], uris[2]] == [each.uri for each in query.open_documents]


async def test_the_end_ends_a_query_too(open_project: Open) -> None:
    """Closing does not wait for a provider that hangs."""
    provider = HangingProvider()
    editor = open_project(provider)
    here = editor.open(HERE, "x = 1\n")
    editor.project.snippets_for(here)
    await editor.project.close()
    assert 1 == provider.closed
