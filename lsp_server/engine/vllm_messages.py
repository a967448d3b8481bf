"""What vLLM is asked for a request, and what its outputs mean."""

from typing import TYPE_CHECKING

from lsp_server.engine.vllm_stats import queued_ms
from lsp_server.errors import GenerationError
from lsp_server.values import FinishReason, GenerationRequest, TokenDelta

if TYPE_CHECKING:
    from vllm.inputs import TokensInput
    from vllm.outputs import RequestOutput
    from vllm.sampling_params import SamplingParams

__all__ = ["delta_of", "engine_input", "sampling_params"]

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
        queued_ms=queued_ms(output) if is_first else None,
        finish_reason=_FINISH_REASONS.get(step.finish_reason or ""),
    )
