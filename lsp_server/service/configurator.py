"""Makes and changes the configuration of one editor's connection."""

import dataclasses
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from lsp_server.config import Config, LogLevel
from lsp_server.errors import ConfigError, ModelError
from lsp_server.modelstore.locate import (
    locate,
    models_in,
    pulled_models_folder,
    shipped_models,
)
from lsp_server.modelstore.manifest import Manifest, load_manifest
from lsp_server.service.backend import Backend
from lsp_server.service.engine_host import ENGINE_SECTIONS, EngineHost, on_engine
from lsp_server.service.engine_pool import EnginePool, Lease
from lsp_server.service.engine_start import EngineStarter, starter_of
from lsp_server.service.local_backend import LocalBackend
from lsp_server.setting_layers import (
    Layer,
    changed_layer,
    editor_layer,
    without_nulls_of,
)
from lsp_server.settings import Resolved, resolve, settle, switched_off

__all__ = ["LayeredConfigurator", "anchored", "context_tokens_of", "usual"]


def _keep_log_level(_level: LogLevel) -> None:
    """Leave the process's log as it is."""


class LayeredConfigurator:
    """Makes and changes a connection's configuration, the editor's layer on top.

    Args:
        layers: What is configured without the editor, the strongest last.
        pool: The engines that the process shares between its connections; None for an
            engine of the connection's own.
        user: Whose requests these are, for fairness between users.
        cache_salt: Only requests of the same salt share the engine's prefix cache.
        is_remote: Whether the editor is on another machine: its files are not here.
        folder: What relative paths in settings start from; None for this process's
            working folder.
        notices: Messages for the user besides.
        set_log_level: Called with the level that the settings ask for, by a process
            that serves this one editor.
    """

    def __init__(
        self,
        layers: list[Layer],
        *,
        pool: EnginePool | None = None,
        user: str = "",
        cache_salt: str = "",
        is_remote: bool = False,
        folder: Path | None = None,
        notices: Sequence[str] = (),
        set_log_level: Callable[[LogLevel], None] = _keep_log_level,
    ) -> None:
        self._layers = layers
        self._pool = pool
        self._user = user
        self._cache_salt = cache_salt
        self._is_remote = is_remote
        self._folder = folder
        self._notices = notices
        self._set_log_level = set_log_level
        self._backend: LocalBackend | None = None
        self._editor = editor_layer(None)
        self._running = Config()
        self._wanted = Config()
        self._model_tokens: int | None = None
        self._reported: set[str] = set()

    @property
    def host(self) -> EngineHost | None:
        """The engine's host; None before the editor has initialised."""
        return self._backend.host if self._backend is not None else None

    def initialize(self, options: object) -> tuple[Backend, list[str]]:
        """Make the backend from the layers and the editor's options.

        Returns:
            The backend, and messages for the user.

        Raises:
            EngineDeadError: The pool of engines was closed.
        """
        self._editor = editor_layer(options)
        layers = [*self._layers, self._editor]
        resolved = anchored(resolve(layers), self._folder)
        self._model_tokens = context_tokens_of(resolved.config)
        config, conflicts = settle(
            resolved.config, Config(), model_tokens=self._model_tokens
        )
        self._set_log_level(config.log.level)
        self._running = self._wanted = usual(config, resolved.stated)
        problems = [*resolved.problems, *conflicts]
        if self._pool is None:
            self._backend = self._backend_on(starter_of(config.engine.kind))
            return self._backend, [*self._notices, *self._new_problems(problems)]
        lease = self._pool.acquire(config, stated=resolved.stated)
        running = lease.host.config
        self._model_tokens = context_tokens_of(running)
        self._running, more = settle(
            on_engine(config, running), running, model_tokens=self._model_tokens
        )
        self._running = usual(self._running, resolved.stated)
        self._backend = self._backend_on(lease)
        messages = [*self._notices, *self._new_problems([*problems, *more])]
        return self._backend, [*messages, *([lease.refused] if lease.refused else [])]

    def change(self, options: object) -> list[str]:
        """Apply the editor's new settings, but for those that need a restart.

        Until then nothing uses those. Settings for other servers are left alone. What
        was sent at the start stays, unless it is sent anew or as null.

        Returns:
            Messages for the user: problems, and what waits for the restart.
        """
        layer = changed_layer(options)
        if layer is None:
            return []
        layers = [*self._layers, without_nulls_of(layer, self._editor), layer]
        resolved = anchored(resolve(layers), self._folder)
        wanted, conflicts = settle(
            resolved.config, self._wanted, model_tokens=self._tokens(resolved.config)
        )
        running, more = settle(
            on_engine(wanted, self._running),
            self._running,
            model_tokens=self._model_tokens,
        )
        waiting = [
            section
            for section in ENGINE_SECTIONS
            if getattr(self._wanted, section) != getattr(wanted, section)
        ]
        running = usual(running, resolved.stated)
        self._wanted, self._running = wanted, running
        self._set_log_level(running.log.level)
        if self._backend is not None:
            self._backend.configure(running)
        # What is right only after the restart is no problem; one message says enough.
        related = [*conflicts, *([] if conflicts else more)]
        messages = self._new_problems([*resolved.problems, *related])
        if waiting:
            messages.append(
                f"Midfill: changed settings of {' and '.join(waiting)} take effect "
                "when the server is restarted."
            )
        return messages

    def _backend_on(self, source: Lease | EngineStarter) -> LocalBackend:
        """Make the backend on a shared engine, or on one of its own."""
        return LocalBackend(
            self._running,
            source,
            user=self._user,
            cache_salt=self._cache_salt,
            is_remote=self._is_remote,
        )

    def _tokens(self, config: Config) -> int | None:
        """Return the context length of the model that a configuration names."""
        if config.model == self._running.model:
            return self._model_tokens
        return context_tokens_of(config)

    def _new_problems(self, problems: Sequence[ConfigError]) -> list[str]:
        """Make one message of the problems that were not reported yet."""
        texts = dict.fromkeys(map(str, problems))
        new = [problem for problem in texts if problem not in self._reported]
        self._reported.update(new)
        if not new:
            return []
        listed = "\n".join(f"- {problem}" for problem in new)
        return [f"Midfill runs without some of your settings:\n{listed}"]


def context_tokens_of(config: Config) -> int | None:
    """Return the context length of the configured model; None where it is not found.

    Loading it reports why.
    """
    manifest = _manifest_of(config)
    return None if manifest is None else manifest.context_length


def usual(config: Config, stated: Collection[tuple[str, str]]) -> Config:
    """Return the settings as their model's manifest has them by default.

    Args:
        config: The settings.
        stated: Section and key of each setting that somebody has set: it holds.
    """
    manifest = _manifest_of(config)
    names = manifest.off_by_default if manifest is not None else ()
    return switched_off(config, names, stated=stated)


def _manifest_of(config: Config) -> Manifest | None:
    """Return the manifest of the configured model; None where it cannot be read."""
    pulled = pulled_models_folder(config.registry.folder)
    try:
        return load_manifest(locate(config.model.path, pulled=pulled))
    except ModelError:
        return None


def anchored(resolved: Resolved, folder: Path | None) -> Resolved:
    """Return settings whose relative paths start from a folder.

    A model's name stays one, as `locate` would read it there.

    Args:
        resolved: The settings.
        folder: The folder; None to leave them as they are.
    """
    if folder is None:
        return resolved
    config = resolved.config
    registry = config.registry
    if registry.folder and not registry.folder.startswith("~"):
        pulled = str(folder / registry.folder)
        registry = dataclasses.replace(registry, folder=pulled)
    model = config.model
    path = folder / model.path
    known = {**shipped_models(), **models_in(pulled_models_folder(registry.folder))}
    is_folder = not model.path.startswith("~") and (path / "manifest.json").exists()
    if model.path and model.path not in known and is_folder:
        model = dataclasses.replace(model, path=str(path))
    config = dataclasses.replace(config, registry=registry, model=model)
    return dataclasses.replace(resolved, config=config)
