"""Converts requests, outputs and statistics between Midfill and vLLM."""

from functools import partial
from typing import TYPE_CHECKING

from lsp_server.errors import GenerationError
from lsp_server.values import FinishReason, GenerationRequest, TokenDelta

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prometheus_client import CollectorRegistry
    from prometheus_client.metrics_core import Metric
    from vllm.inputs import TokensInput
    from vllm.outputs import RequestOutput
    from vllm.sampling_params import SamplingParams
    from vllm.v1.metrics.loggers import PrometheusStatLogger

__all__ = ["VllmMetrics", "delta_of", "engine_input", "sampling_params"]

_FINISH_REASONS = {
    "stop": FinishReason.STOP,
    "repetition": FinishReason.STOP,
    "length": FinishReason.LENGTH,
    "abort": FinishReason.ABORT,
}


def engine_input(request: GenerationRequest) -> "TokensInput":
    """Return the prompt as vLLM takes it."""
    from vllm.inputs import tokens_input

    return tokens_input(list(request.token_ids), cache_salt=request.cache_salt or None)


def sampling_params(request: GenerationRequest) -> "SamplingParams":
    """Return what vLLM gets of sampling, ending and log-probabilities."""
    from vllm.sampling_params import RequestOutputKind, SamplingParams

    from lsp_server.engine.hold_processors import extra_arguments

    return SamplingParams(
        temperature=request.temperature,
        top_p=request.top_p,
        # The same request gets the same answer, and each candidate a different one.
        seed=request.candidate or None,
        # The generated token's own, and of no other token.
        logprobs=0 if request.logprobs else None,
        extra_args=extra_arguments(request.hold, len(request.token_ids)),
        max_tokens=request.max_tokens,
        stop_token_ids=list(request.stop_token_ids),
        # The request names the tokens that end it, as the model's family defines.
        ignore_eos=True,
        detokenize=False,
        output_kind=RequestOutputKind.DELTA,
    )


def delta_of(
    output: "RequestOutput", request: GenerationRequest, *, is_first: bool
) -> TokenDelta:
    """Convert an output of vLLM to a delta.

    Raises:
        GenerationError: vLLM gave the request up.
    """
    step = output.outputs[0]
    token_ids = tuple(step.token_ids)
    if step.finish_reason == "error":
        raise GenerationError(
            "the engine gave the request up",
            subject=f"request {request.request_id}",
            remedy="try again; the engine's log on stderr has the cause",
        )
    if (
        step.finish_reason == "stop"
        and token_ids[-1:]
        and (token_ids[-1] in request.stop_token_ids)
    ):
        token_ids = token_ids[:-1]  # vLLM returns the stop token, too.
    return TokenDelta(
        token_ids=token_ids,
        logprobs=tuple(
            position[token_id].logprob
            for token_id, position in zip(token_ids, step.logprobs or (), strict=False)
        ),
        num_cached_tokens=output.num_cached_tokens or 0,
        queued_ms=_queued_ms(output) if is_first else None,
        finish_reason=_FINISH_REASONS.get(step.finish_reason or ""),
    )


class VllmMetrics:
    """vLLM's own metrics, of every vLLM engine of this process.

    vLLM puts them into prometheus_client's global registry, where each new engine takes
    the place of the one before. Here each model has a registry, and they are read
    together.
    """

    def __init__(self) -> None:
        self._registries: dict[str, CollectorRegistry] = {}

    def logger_for(self, model: str) -> "type[PrometheusStatLogger]":
        """Return the class of the statistics logger of a new engine.

        Args:
            model: The name of the model; an earlier engine of the same model is
                forgotten.
        """
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
        from vllm.v1.metrics.loggers import PrometheusStatLogger

        registry = self._registries[model] = CollectorRegistry()

        class StatLogger(PrometheusStatLogger):  # type: ignore[misc]  # vLLM is not typed here
            _gauge_cls = staticmethod(partial(Gauge, registry=registry))
            _counter_cls = staticmethod(partial(Counter, registry=registry))
            _histogram_cls = staticmethod(partial(Histogram, registry=registry))

        return StatLogger

    def collect(self) -> "Iterable[Metric]":
        """Return the metrics as they are now; called in any thread."""
        merged: dict[str, Metric] = {}
        for registry in tuple(self._registries.values()):
            for metric in registry.collect():
                known = merged.setdefault(metric.name, metric)
                if known is not metric:
                    known.samples.extend(metric.samples)
        return merged.values()


def _queued_ms(output: "RequestOutput") -> float | None:
    """Return how long a request waited in vLLM to be scheduled, in milliseconds.

    None where vLLM keeps no statistics, and for a request that was aborted before.
    """
    stats = output.metrics
    if stats is None or not stats.scheduled_ts:
        return None
    return max(0.0, float(stats.scheduled_ts - stats.queued_ts) * 1e3)
