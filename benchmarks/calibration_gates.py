"""Plays recorded generations back through the server's candidates and filters."""

import math
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from lsp_server.context.cursor import CursorContext
from lsp_server.engine.scripted import Script, ScriptedEngine
from lsp_server.postprocess.scope import StopRule
from lsp_server.prompt.tokenizer import StreamDecoder, Tokenizer
from lsp_server.service.candidates import Candidate
from lsp_server.service.ranking import postprocessed
from lsp_server.telemetry import RequestTrace
from lsp_server.values import (
    CompletionScope,
    FinishReason,
    GenerationRequest,
    Hold,
    TokenDelta,
)
from training.eval.scoring import common_prefix_chars
from training.eval.values import Task

__all__ = ["Playback", "Shown", "Tape"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tape:
    """What the engine wrote at one cursor.

    Attributes:
        suite: Where the task is from.
        task_id: The task.
        scope: How far the completion might run.
        held: What the text had to begin with.
        token_ids: The tokens of each candidate, the greedy one first.
        logprobs: The log-probability of each token.
    """

    suite: str
    task_id: str
    scope: str
    held: str
    token_ids: list[list[int]]
    logprobs: list[list[float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What the server would show of a candidate.

    Attributes:
        text: The text; empty where it shows nothing.
        chars: Its length, without the blanks at its beginning.
        right_chars: How much of that stands in the file, from its beginning.
        is_exact: Whether it is all of what is missing.
        joint: Its joint probability.
        mean: The geometric mean of its tokens' probabilities.
        logprob: The logarithm of ``joint``.
        tokens: How many tokens that is.
        generated_tokens: How many tokens the engine would have written.
    """

    text: str
    chars: int
    right_chars: int
    is_exact: bool
    joint: float
    mean: float
    logprob: float
    tokens: int
    generated_tokens: int

    @property
    def wrong_chars(self) -> int:
        """How much of the text is not what stands in the file."""
        return self.chars - self.right_chars


class _Player(ScriptedEngine):
    """Writes the tokens of a tape."""

    def __init__(self, tape: Tape, candidate: int) -> None:
        super().__init__(Script(answer_ids=()))
        self._tokens = list(
            zip(tape.token_ids[candidate], tape.logprobs[candidate], strict=True)
        )
        self.played = 0

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[TokenDelta]:
        """Play one token after the other."""
        del request
        for token_id, logprob in self._tokens:
            self.played += 1
            yield TokenDelta(token_ids=(token_id,), logprobs=(logprob,))
        yield TokenDelta(token_ids=(), finish_reason=FinishReason.STOP)


class Playback:
    """Tries gates on tapes.

    Args:
        tokenizer: That of the model that wrote them.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer

    async def shown(
        self, tape: Tape, task: Task, *, floor: float, candidate: int = 0
    ) -> Shown:
        """Return what is shown where the joint probability must not fall lower."""
        scope = CompletionScope(tape.scope)
        cursor = CursorContext.of(task.snapshot)
        hold = Hold(text=tape.held, typed_ids=(), steps=()) if tape.held else None
        player = _Player(tape, candidate)
        played = Candidate(
            GenerationRequest(
                request_id="played",
                token_ids=(),
                max_tokens=task.max_tokens,
                hold=hold,
            ),
            decoder=StreamDecoder(self._tokenizer),
            stop_rule=StopRule(cursor, scope),
            fits=lambda _written: True,
            floor=floor,
        )
        await played.generate(player, RequestTrace())
        outcome = postprocessed([played], cursor, scope).get(played)
        text = (outcome.text if outcome else None) or ""
        likelihood = played.likelihood(text)
        blanks = len(text) - len(text.lstrip())
        return Shown(
            text=text,
            chars=len(text) - blanks,
            right_chars=max(0, common_prefix_chars(text, task.middle) - blanks),
            is_exact=text.strip() == task.middle.strip(),
            joint=math.exp(likelihood.logprob),
            mean=math.exp(likelihood.logprob / max(1, likelihood.tokens)),
            logprob=likelihood.logprob,
            tokens=likelihood.tokens,
            generated_tokens=player.played,
        )
