"""One connection's backend: its own settings and service, on an engine host.

The host is one that other connections share, or the backend's own.
"""

from collections.abc import Callable

from lsp_server.config import Config
from lsp_server.engine_values import EngineNews, EngineState
from lsp_server.outcomes import CompletionResult, OverloadStep
from lsp_server.project.project import Project
from lsp_server.project.provider import (
    CursorRested,
    DocumentClosed,
    DocumentEdited,
    DocumentOpened,
    Event,
    ReadDocument,
)
from lsp_server.service import reasons
from lsp_server.service.assembly import providers, service_of, snippet_chars
from lsp_server.service.backend import EngineListener
from lsp_server.service.cached_completion import CachedCompletionService
from lsp_server.service.engine_host import Detach, EngineHost, on_engine
from lsp_server.service.engine_pool import Lease
from lsp_server.service.engine_start import EngineStarter
from lsp_server.service.privacy import Privacy
from lsp_server.service.typed_ahead import TypedAhead
from lsp_server.values import Prompt, Snapshot, Trigger

__all__ = ["LocalBackend"]


class LocalBackend:
    """Completes for one connection with an engine of this process.

    Args:
        config: Every setting of the connection; those of model and engine hold only as
            far as the host runs with them.
        source: The use of a shared host; or what starts an engine, for a host of the
            backend's own.
        user: Whose requests these are, for fairness between users.
        cache_salt: Only requests of the same salt share the engine's prefix cache.
        is_remote: Whether the editor is on another machine: its files are not here.
    """

    def __init__(
        self,
        config: Config,
        source: Lease | EngineStarter,
        *,
        user: str = "",
        cache_salt: str = "",
        is_remote: bool = False,
    ) -> None:
        """Prepare; ``start`` loads, and attaches to the engine's news."""
        self._config = config
        self._lease = source if isinstance(source, Lease) else None
        self._host = (
            source.host if isinstance(source, Lease) else EngineHost(config, source)
        )
        self._user = user
        self._cache_salt = cache_salt
        self._is_remote = is_remote
        self._service: CachedCompletionService | None = None
        self._project = Project(
            providers(lambda: self._config.context, is_remote=is_remote)
        )
        self._open: dict[str, ReadDocument] = {}
        self._detach: Detach | None = None
        self._closed = False

    @property
    def host(self) -> EngineHost:
        """The host of the engine that completes."""
        return self._host

    @property
    def project(self) -> Project:
        """What the connection's editor has open, and the context made of it."""
        return self._project

    async def start(self, listener: EngineListener) -> None:
        """Begin to load in the background if that has not begun, and return at once.

        The listener gets the engine's latest news before this returns.
        """
        if self._closed or self._detach is not None:
            return
        self._host.begin()
        self._detach = self._host.attach(_Preparing(listener, self._assembled))

    def project_changed(self, event: Event) -> None:
        """Follow what happens in the editor."""
        if isinstance(event, CursorRested):
            self._cursor_rested(event)
            return
        self._project.take(event)
        match event:
            case DocumentOpened(uri=uri, read=read):
                self._open[uri] = read
            case DocumentClosed(uri=uri):
                self._open.pop(uri, None)
            case DocumentEdited(uri=uri):
                pass
            case _:
                return
        if self._service is not None:
            self._service.document_changed(uri, self._open.get(uri))

    @property
    def enabled(self) -> bool:
        """Whether the settings offer completions at all."""
        return self._config.completion.enabled

    @property
    def config(self) -> Config:
        """The settings that hold now."""
        return self._config

    def restart(self) -> None:
        """Start the engine again at once, also one that was given up.

        A shared engine that is ready is left alone: another connection has had it
        started again already.
        """
        if self._lease is None or not self._host.ready:
            self._host.restart()

    def configure(self, config: Config) -> None:
        """Apply changed settings; those of model and engine wait for a restart."""
        self._config = config
        self._end_service()
        self._assembled()

    async def complete(
        self,
        snapshot: Snapshot,
        *,
        request_id: str,
        trigger: Trigger,
        typed: TypedAhead,
    ) -> CompletionResult:
        """Complete at the snapshot's cursor; nothing before the engine is ready."""
        service = self._assembled()
        if service is None or self._closed or not self._host.ready:
            return CompletionResult(reason=reasons.NOT_READY)
        is_quiet = not self._config.completion.suggest_after_accept
        if is_quiet and typed.follows_accept and trigger is Trigger.AUTOMATIC:
            return CompletionResult(reason=reasons.JUST_ACCEPTED)
        with self._host.engine.taken():
            return await service.complete(
                snapshot, request_id=request_id, trigger=trigger, typed=typed
            )

    def prompt_text(self, prompt: Prompt) -> str:
        """Spell a prompt of a result as the model read it, sentinels shown."""
        service = self._assembled()
        return service.prompt_text(prompt) if service is not None else ""

    async def close(self) -> None:
        """End the connection's use of the engine, and an engine of the backend's own.

        A shared engine runs on, and sends no more news here. May be called twice.
        """
        self._closed = True
        self._end_service()
        await self._project.close()
        if self._lease is None:
            await self._host.close()
        else:
            self._lease.release()
        if self._detach is not None:
            self._detach()

    def _may_speculate(self) -> bool:
        """Return whether the engine has time for what nobody has asked for."""
        admission = self._host.engine
        is_calm = admission.step_for(self._user) < OverloadStep.NO_SPECULATION
        return is_calm and admission.has_room

    def _cursor_rested(self, event: CursorRested) -> None:
        """Have context gathered for another place, and its prompt read."""
        self._project.snippets_for(event.cursor)
        if self._service is not None and self.enabled and self._host.ready:
            self._service.cursor_rested(event.cursor, event.request_id)

    async def _context_for(self, cursor: Snapshot) -> None:
        """Gather for a cursor, and wait until that is done."""
        self._project.snippets_for(cursor)
        await self._project.gathered()

    def _end_service(self) -> None:
        """Let go of the service; requests in it come to their end."""
        if self._service is not None:
            self._service.stop()
            self._service = None

    def _assembled(self) -> CachedCompletionService | None:
        """Return the service for the present settings; None without a model.

        Other settings begin with an empty cache: they may suggest something else.
        """
        model = self._host.model
        if self._service is None and model is not None:
            config = self._config
            privacy = Privacy(config.privacy, is_remote=self._is_remote)
            self._project.configure(
                config.context,
                clean=privacy.cleaned,
                most_chars=snippet_chars(config.prompt.max_prompt_tokens),
            )
            service = service_of(
                model,
                self._host.engine,
                on_engine(config, self._host.config),
                gate=self._host.engine,
                metrics=self._host.metrics,
                user=self._user,
                cache_salt=self._cache_salt,
                privacy=privacy,
                project=self._project,
            )
            self._service = CachedCompletionService(
                service,
                config.completion,
                may_speculate=self._may_speculate,
                is_idle=lambda: self._host.engine.is_idle,
                prepare=self._context_for,
            )
        return self._service


class _Preparing:
    """Passes on news of an engine; once it is ready, what needs the model is prepared.

    So context is gathered before the first key.
    """

    def __init__(self, listener: EngineListener, prepare: Callable[[], object]) -> None:
        self._listener = listener
        self._prepare = prepare

    def engine_changed(self, news: EngineNews) -> None:
        """Pass on news, and prepare."""
        self._listener.engine_changed(news)
        if news.state is EngineState.READY:
            self._prepare()

    def overload_changed(self, step: OverloadStep) -> None:
        """Pass on the step."""
        self._listener.overload_changed(step)
