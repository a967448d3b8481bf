"""Other open documents reach the prompt: of one's own connection, and if it gains."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from news_listener import Listener
from own_models import OwnModel, like_the_shipped
from project_editor import ROOT, document

from lsp_server.engine_values import EngineState
from lsp_server.outcomes import OverloadStep
from lsp_server.project.provider import DocumentOpened, FoldersChanged
from lsp_server.service.configurator import LayeredConfigurator
from lsp_server.service.engine_pool import EnginePool
from lsp_server.service.engine_start import starter_of
from lsp_server.service.local_backend import LocalBackend
from lsp_server.service.typed_ahead import TypedAhead
from lsp_server.setting_layers import Layer
from lsp_server.values import Snippet, Trigger

SCRIPTED = Layer(place="x", values={"engine": {"kind": "scripted"}})
ON = {"context": {"enabled": True}}
TEXT = "cart = load_cart()\nfor item in cart.items:\n    show(item.price)\nx = "
HERE = document(f"{ROOT}/a.py", TEXT, offset=len(TEXT))
HEADS = {"midfill": "# {path}:\n", "midfill-marked-cursor": "<|file_sep|>{path}\n"}
"""How each of Midfill's own families begins a snippet."""


def other(name: str) -> str:
    """Return a document with something in common with the one at the cursor."""
    return f"def {name}(cart):\n    return sum(item.price for item in cart.items)\n"


@pytest.fixture
async def pool() -> AsyncGenerator[EnginePool]:
    """The engines of a daemon."""
    made = EnginePool(starter_of, max_engines=1)
    yield made
    await made.close()


async def connected(
    pool: EnginePool,
    model: Path,
    options: object,
    *,
    name: str = "total",
    is_remote: bool = False,
) -> tuple[LayeredConfigurator, LocalBackend]:
    """Connect an editor that has two documents open."""
    named = Layer(place="y", values={"model": {"path": str(model)}})
    configurator = LayeredConfigurator(
        [SCRIPTED, named], pool=pool, is_remote=is_remote
    )
    backend, _ = configurator.initialize(options)
    assert isinstance(backend, LocalBackend)
    backend.project_changed(FoldersChanged(folders=(ROOT,)))
    for each in (document(f"{ROOT}/b.py", other(name)), HERE):
        opened = DocumentOpened(uri=each.uri, read=lambda each=each: each)  # type: ignore[misc]  # mypy infers no default
        backend.project_changed(opened)
    listener = Listener()
    await backend.start(listener)
    await listener.until(EngineState.READY)
    return configurator, backend


async def snippets(backend: LocalBackend) -> tuple[Snippet, ...]:
    """Return what of other documents the model reads."""
    await backend.project.settle()
    result = await backend.complete(
        HERE, request_id="r1", trigger=Trigger.INVOKED, typed=TypedAhead()
    )
    assert result.prompt is not None
    text = backend.prompt_text(result.prompt)
    assert backend.host.model is not None
    head = HEADS[backend.host.model.family.name]
    assert all(head.format(path=each.path) in text for each in result.prompt.snippets)
    return result.prompt.snippets


@pytest.mark.parametrize("off_by_default", [("context.enabled",), ()])
async def test_context_is_off_for_a_model_that_gains_nothing(
    pool: EnginePool, tmp_path: Path, off_by_default: tuple[str, ...]
) -> None:
    """Its manifest says so; who sets the switch has it."""
    model = like_the_shipped(tmp_path, off_by_default=off_by_default)
    configurator, backend = await connected(pool, model, None)
    assert bool(off_by_default) is not bool(await snippets(backend))
    configurator.change({"midfill": ON})
    (found,) = await snippets(backend)
    assert ("b.py", "open_tabs") == (found.path, found.source)
    configurator.change({"midfill": {"context": {"openTabs": False, **ON["context"]}}})
    assert () == await snippets(backend)
    await backend.close()


@pytest.mark.parametrize("is_remote", [False, True])
async def test_documents_of_two_connections_do_not_mix(
    pool: EnginePool, own_model: OwnModel, *, is_remote: bool
) -> None:
    """Not even where both are in the same folder, on the same engine."""
    connections = [
        await connected(pool, own_model.folder, ON, name=name, is_remote=is_remote)
        for name in ("first_secret", "second_secret")
    ]
    (_, first), (_, second) = connections
    assert first.host is second.host
    shown = [await snippets(backend) for backend in (first, second)]
    assert [other("first_secret").strip(), other("second_secret").strip()] == [
        found.text for (found,) in shown
    ]
    await first.close()
    await second.close()


async def test_private_documents_and_secrets_are_no_context(
    pool: EnginePool, own_model: OwnModel
) -> None:
    """A file of credentials is none at all; a key in another one is redacted."""
    _, backend = await connected(pool, own_model.folder, ON)
    token = "ghp_" + "A1b2C3d4E5f6" * 3
    for name in (".env", "keys.py"):
        each = document(f"{ROOT}/{name}", f'{other("f")}token = "{token}"\n')
        opened = DocumentOpened(uri=each.uri, read=lambda each=each: each)  # type: ignore[misc]  # as above
        backend.project_changed(opened)
    found = {each.path: each.text for each in await snippets(backend)}
    assert "keys.py" in found
    assert ".env" not in found
    assert token not in str(found)
    await backend.close()


@pytest.mark.parametrize("step", OverloadStep)
async def test_context_is_given_up_under_load(
    pool: EnginePool,
    own_model: OwnModel,
    monkeypatch: pytest.MonkeyPatch,
    step: OverloadStep,
) -> None:
    """From the step on that reduces the prompt."""
    _, backend = await connected(pool, own_model.folder, ON)
    monkeypatch.setattr(type(backend.host.engine), "step_for", lambda *_: step)
    assert (step < OverloadStep.LESS_CONTEXT) is bool(await snippets(backend))
    await backend.close()
