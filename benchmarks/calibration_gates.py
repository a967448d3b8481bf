"""Plays recorded generations back through the server's candidates and filters."""

import math
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from lsp_server.config import CompletionConfig
from lsp_server.context.cursor import CursorContext
from lsp_server.engine.scripted import Script, ScriptedEngine
from lsp_server.postprocess.scope import StopRule
from lsp_server.prompt.tokenizer import StreamDecoder, Tokenizer
from lsp_server.service.candidates import Candidate
from lsp_server.service.ranking import postprocessed
from lsp_server.service.trigger import choose_scope
from lsp_server.telemetry import RequestTrace
from lsp_server.values import (
    FinishReason,
    GenerationRequest,
    Hold,
    TokenDelta,
    Trigger,
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
        held: What the text had to begin with.
        token_ids: The tokens of each candidate, the greedy one first.
        logprobs: The log-probability of each token.
    """

    suite: str
    task_id: str
    held: str
    token_ids: list[list[int]]
    logprobs: list[list[float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What the server would show of a candidate.

    Attributes:
        text: The text; empty where it shows nothing.
        chars: Its length, without the blanks at its beginning.
        right_chars: How much of that stands in the file, from its beginning, also
            beyond what is missing.
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
    """Writes the tokens of a tape, as many as are asked for."""

    def __init__(self, tape: Tape, candidate: int) -> None:
        super().__init__(Script(answer_ids=()))
        self._tokens = list(
            zip(tape.token_ids[candidate], tape.logprobs[candidate], strict=True)
        )
        self.played = 0

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[TokenDelta]:
        """Play one token after the other."""
        for token_id, logprob in self._tokens[: request.max_tokens]:
            self.played += 1
            yield TokenDelta(token_ids=(token_id,), logprobs=(logprob,))
        yield TokenDelta(token_ids=(), finish_reason=FinishReason.STOP)


class Playback:
    """Tries gates on tapes.

    Tapes are of explicit requests, whose texts run at least as far as those of other
    ones: from the same beginning, each is ended where the server would have ended it.

    Args:
        tokenizer: That of the model that wrote them.
        config: The limits of a completion.
    """

    def __init__(self, tokenizer: Tokenizer, config: CompletionConfig) -> None:
        self._tokenizer = tokenizer
        self._config = config

    async def shown(
        self,
        tape: Tape,
        task: Task,
        *,
        floor: float,
        trigger: Trigger = Trigger.AUTOMATIC,
        candidate: int = 0,
    ) -> Shown:
        """Return what is shown where the joint probability must not fall lower.

        Args:
            tape: What the engine wrote.
            task: The task.
            floor: The joint probability.
            trigger: Who asked: it decides how far a text may run.
            candidate: Which of the texts.
        """
        cursor, config = CursorContext.of(task.snapshot), self._config
        into_blocks = config.continue_into_blocks
        scope = choose_scope(cursor, trigger, into_blocks=into_blocks)
        held_ids = self._tokenizer.encode(tape.held)
        hold = Hold(text=tape.held, typed_ids=held_ids, steps=()) if held_ids else None
        player = _Player(tape, candidate)
        played = Candidate(
            GenerationRequest(
                request_id="played",
                token_ids=(),
                max_tokens=config.max_tokens(scope) + len(held_ids),
                hold=hold,
            ),
            decoder=StreamDecoder(self._tokenizer),
            stop_rule=StopRule(cursor, scope),
            fits=lambda _written: True,
            floor=floor,
            max_line_tokens=config.max_line_tokens,
        )
        await played.generate(player, RequestTrace())
        outcome = postprocessed([played], cursor, scope).get(played)
        text = (outcome.text if outcome else None) or ""
        likelihood = played.likelihood(text)
        blanks = len(text) - len(text.lstrip())
        in_file = task.middle + task.snapshot.after
        return Shown(
            text=text,
            chars=len(text) - blanks,
            right_chars=max(0, common_prefix_chars(text, in_file) - blanks),
            is_exact=text.strip() == task.middle.strip(),
            joint=math.exp(likelihood.logprob),
            mean=math.exp(likelihood.logprob / max(1, likelihood.tokens)),
            logprob=likelihood.logprob,
            tokens=likelihood.tokens,
            generated_tokens=player.played,
        )
