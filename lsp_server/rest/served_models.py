"""The models that the REST API serves, by the names that clients give."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lsp_server.access.gate import check_model
from lsp_server.access.keys import Key
from lsp_server.config import RestConfig
from lsp_server.engine_values import EngineNews, EngineState
from lsp_server.errors import EngineDeadError, EngineStartError
from lsp_server.rest.api_errors import ApiError
from lsp_server.rest.chat_template import ChatTemplate
from lsp_server.service.engine_host import EngineHost
from lsp_server.service.loaded_model import LoadedModel
from lsp_server.service.privacy import Privacy, load_rules_ahead
from lsp_server.service.text_prompts import TextPrompts

__all__ = ["ServedModel", "ServedModels"]

_ANY = "*"
_NOT_FOUND = 404


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedModel:
    """A model that is read, and its engine.

    Attributes:
        name: Its name for clients.
        host: Its engine.
        loaded: Its tokenizer and manifest.
        prompts: Makes its prompts.
        privacy: Cleans pieces of other files that clients send.
        max_model_len: The most tokens of prompt and output together.
        chat: Its chat template; None where it has none.
        since: When it was first served, in seconds since 1970.
    """

    name: str
    host: EngineHost
    loaded: LoadedModel
    prompts: TextPrompts
    privacy: Privacy
    max_model_len: int
    chat: ChatTemplate | None
    since: int


class ServedModels:
    """Finds the models of a process.

    Args:
        hosts: Returns the engines of now, the default one first.
        config: The settings of the API.
        chat_template: The template that the server's owner trusts; None for none.
    """

    def __init__(
        self,
        hosts: Callable[[], Sequence[EngineHost]],
        config: RestConfig,
        chat_template: ChatTemplate | None,
    ) -> None:
        """Begin without a model, and to load what its first request would wait for."""
        self._hosts = hosts
        if any(host.config.privacy.secrets for host in hosts()):
            load_rules_ahead()
        self._aliases = frozenset(config.aliases.split())
        self._chat_template = chat_template
        self._served: dict[EngineHost, ServedModel] = {}

    def names(self, key: Key) -> tuple[str, ...]:
        """Return the names of all models that a key may use."""
        names = dict.fromkeys(host.model_name for host in self._hosts())
        return tuple(name for name in names if not key.models or name in key.models)

    def ready(self, name: str) -> ServedModel | None:
        """Return the model of a name; None while its engine is not ready."""
        named = [host for host in self._hosts() if host.model_name == name]
        host = next((each for each in named if each.ready), None)
        return self._served_by(host, host.model) if host and host.model else None

    def default(self) -> ServedModel:
        """Return the model of requests that name none.

        Raises:
            EngineDeadError: It is not read yet.
            EngineStartError: It failed for good.
        """
        return self._serve(self._hosts()[:1])

    def find(self, name: str | None, key: Key) -> ServedModel:
        """Return the model of a name; without one, the default.

        Raises:
            ApiError: There is no such model.
            EngineDeadError: It is not ready.
            EngineStartError: It failed for good.
            NotAllowedError: The key may not use it.
        """
        hosts = self._hosts()
        named = [host for host in hosts if host.model_name == name]
        is_default = not name or name in self._aliases or _ANY in self._aliases
        if not named and not is_default:
            known = ", ".join(self.names(key)) or "none"
            raise ApiError(
                "there is no such model here",
                subject="model",
                remedy=f"Use one of: {known}. Or leave it out",
                status=_NOT_FOUND,
                code="model_not_found",
            )
        chosen = named or list(hosts[:1])
        for host in chosen:
            check_model(key, host.model_name)
        return self._serve(chosen)

    def _serve(self, hosts: Sequence[EngineHost]) -> ServedModel:
        """Return the first host's model, ready to be served.

        Raises:
            EngineDeadError: There is none, or it is not ready.
            EngineStartError: It failed for good.
        """
        host = next((each for each in hosts if each.ready), None)
        if host is None or host.model is None:
            if hosts and hosts[0].news.state is EngineState.FAILED:
                raise _failed(hosts[0].news)
            news = hosts[0].news.what if hosts else "no engine was started"
            raise EngineDeadError(
                f"the model is not ready: {news}",
                subject="the request",
                remedy="try again in a few seconds; /ready says when",
            )
        return self._served_by(host, host.model)

    def _served_by(self, host: EngineHost, loaded: LoadedModel) -> ServedModel:
        served = self._served.get(host)
        if served is None:
            self._forget_ended()
            served = self._served[host] = self._make(host, loaded)
        return served

    def _make(self, host: EngineHost, loaded: LoadedModel) -> ServedModel:
        config = host.config
        limit = config.engine.max_model_len or loaded.manifest.context_length
        prompts = TextPrompts(loaded, config.prompt, max_model_len=limit)
        chat = self._chat_template
        return ServedModel(
            name=host.model_name,
            host=host,
            loaded=loaded,
            prompts=prompts,
            # Clients name files of their own machines.
            privacy=Privacy(config.privacy, is_remote=True),
            max_model_len=limit,
            chat=chat if chat and chat.fits(prompts.raw_encoder) else None,
            since=int(time.time()),
        )

    def _forget_ended(self) -> None:
        for host in self._served.keys() - set(self._hosts()):
            del self._served[host]


def _failed(news: EngineNews) -> EngineStartError:
    """Return the error about an engine that is not started again by itself."""
    remedy = news.remedy.removesuffix(".") or "the server's log says more"
    return EngineStartError(
        f"the model failed, and is not started again by itself: {news.what}",
        subject="the request",
        remedy=f"{remedy}. Then whoever runs the server starts it again",
        lasting=True,
    )
