"""What every request for a text has in common: its model, its turn and its limits."""

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.requests import Request

from lsp_server.outcomes import OverloadStep
from lsp_server.rest.api_errors import ApiError
from lsp_server.rest.exchange import Exchange, exchange_of
from lsp_server.rest.generation import Generations, Sampling
from lsp_server.rest.served_models import ServedModel, ServedModels
from lsp_server.rest.services import RestServices
from lsp_server.service.text_prompts import TextPrompt
from lsp_server.telemetry import RequestTrace
from lsp_server.values import Priority

__all__ = ["BegunRequest", "Requests"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BegunRequest:
    """A request that has a model, and that the engine has time for.

    Attributes:
        services: The parts of the process.
        exchange: The request.
        model: The model that is asked.
        trace: Measures the times.
        priority: How urgent it is.
    """

    services: RestServices
    exchange: Exchange
    model: ServedModel
    trace: RequestTrace
    priority: Priority

    def limit_tokens(
        self, asked: int | None, *, default: int, parameter: str = "max_tokens"
    ) -> int:
        """Return how many tokens an answer may have.

        Args:
            asked: What the client asks for; None for nothing.
            default: What it gets then.
            parameter: What the number is called in the request.

        Raises:
            ApiError: It asks for more than the server allows.
        """
        most = self.services.config.max_tokens
        if asked is not None and asked > most:
            raise ApiError(
                f"more than {most:,} tokens are asked for",
                subject=parameter,
                remedy=f"ask for at most {most:,}, the server's rest.max_tokens; the "
                f"model takes {self.model.max_model_len:,}, prompt and answer together",
            )
        return min(default, most) if asked is None else asked

    @property
    def is_reduced(self) -> bool:
        """Whether prompts have to be shorter than usual, because the engine is busy."""
        step = self.model.host.engine.step_for(self.exchange.user)
        return step >= OverloadStep.LESS_CONTEXT

    def temperature(self, asked: float | None) -> float:
        """Return the temperature: what is asked for, or the server's own."""
        own = self.model.host.config.completion.temperature
        return own if asked is None else max(0.0, asked)

    def generations(
        self, prompts: Sequence[TextPrompt], sampling: Sampling
    ) -> Generations:
        """Return the generations of prompts."""
        return Generations(
            services=self.services,
            model=self.model,
            exchange=self.exchange,
            prompts=prompts,
            sampling=sampling,
            trace=self.trace,
        )


class Requests:
    """Begins requests for texts.

    Args:
        services: The parts of the process.
        models: The models that are served.
    """

    def __init__(self, services: RestServices, models: ServedModels) -> None:
        """Keep the parts."""
        self._services = services
        self._models = models

    async def begin(
        self,
        request: Request,
        *,
        model: str | None,
        priority: Priority = Priority.AUTOMATIC,
    ) -> BegunRequest:
        """Find the model, and refuse what would not be scheduled; nothing is tokenised.

        Raises:
            ApiError: There is no such model.
            NotAllowedError: The key may not use it.
            QuotaError: The key has used up its share.
            EngineDeadError: It is not ready.
            OverloadedError: The engine has no time.
        """
        exchange = exchange_of(request)
        found = self._models.find(model, exchange.key)
        await self._services.limiter.check(exchange.key)
        found.host.engine.keep_up(priority)
        found.host.engine.check(user=exchange.user, priority=priority, deadline_s=None)
        trace = RequestTrace(arrived_s=exchange.arrived_s)
        return BegunRequest(
            services=self._services,
            exchange=exchange,
            model=found,
            trace=trace,
            priority=priority,
        )
