"""Scores of a network: on held-out middles by kind, and on a benchmark's tasks."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.eval.scoring import Boundary, score_answer
from training.eval.values import Answer, Score, Task, View
from training.train.data import KindRows, Rows
from training.train.examples import ExampleMaker, Role
from training.train.log import HeldOut, Infilled, KindScore
from training.train.meter import to_device
from training.train.ranks import autocast

__all__ = ["HeldOutExamples", "Infilling", "answer_tasks", "write_scores"]

_BATCH_TOKENS = 32_768


class HeldOutExamples:
    """The held-out middles of each kind, to measure a network on."""

    def __init__(self, kinds: Mapping[str, KindRows]) -> None:
        """Measure on the rows of these kinds."""
        self._kinds = kinds

    def measure(
        self, network: nn.Module, device: torch.device, *, step: int, tokens: int
    ) -> HeldOut:
        """Return the scores of a network after ``step`` steps on ``tokens`` tokens."""
        kinds = {
            name: _score(network, kind, device) for name, kind in self._kinds.items()
        }
        loss = sum(kind.loss for kind in kinds.values()) / len(kinds)
        return HeldOut(step=step, tokens=tokens, held_out_middle_loss=loss, kinds=kinds)


@torch.no_grad()
def _score(network: nn.Module, kind: KindRows, device: torch.device) -> KindScore:
    losses, hits = _predict(network, kind.with_suffix, device)
    _, hits_left = _predict(network, kind.without_suffix, device)
    is_middle = torch.from_numpy(kind.with_suffix[:, 1, 1:] == Role.MIDDLE)
    is_left = torch.from_numpy(kind.without_suffix[:, 1, 1:] == Role.MIDDLE)
    ends = is_middle & (is_middle.flip(1).cumsum(1).flip(1) == 1)
    return KindScore(
        loss=float(losses[is_middle].mean()),
        end_loss=float(losses[ends].mean()),
        exact=float((hits | ~is_middle).all(1).double().mean()),
        right=float((hits | ~is_middle | ends).all(1).double().mean()),
        right_without_suffix=float((hits_left | ~is_left).all(1).double().mean()),
    )


def _predict(
    network: nn.Module, rows: Rows, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Return each target's loss, and whether it is the likeliest; shapes (B, T)."""
    losses: list[Tensor] = []
    hits: list[Tensor] = []
    at_once = max(_BATCH_TOKENS // rows.shape[-1], 1)
    for first in range(0, len(rows), at_once):
        batch = to_device(rows[first : first + at_once], device)
        targets = batch[:, 0, 1:]
        with autocast(device):
            logits = network(batch[:, 0, :-1])
        each = functional.cross_entropy(
            logits.flatten(0, 1).float(), targets.flatten(), reduction="none"
        )
        losses.append(each.view(targets.shape).cpu())
        hits.append((logits.argmax(-1) == targets).cpu())
    return torch.cat(losses), torch.cat(hits)


_TASKS_BATCH_TOKENS = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Infilling:
    """The scores of a network on a benchmark.

    Attributes:
        scores: Scores of each task, with the suffix read and without.
    """

    scores: tuple[Score, ...]

    def exact(self, view: View) -> float:
        """Return the share of tasks answered with exactly the missing text."""
        return self._share(view, lambda score: score.exact)

    @property
    def stops(self) -> float:
        """Share of tasks, with suffix, that the model ended at the right place."""
        return self._share(View.WITH_SUFFIX, lambda score: score.stops)

    def entry(self, *, step: int, tokens: int) -> Infilled:
        """Return the log's entry after ``step`` steps on ``tokens`` tokens."""
        return Infilled(
            step=step,
            tokens=tokens,
            tasks=sum(score.view is View.WITH_SUFFIX for score in self.scores),
            exact=self.exact(View.WITH_SUFFIX),
            exact_without_suffix=self.exact(View.NO_SUFFIX),
            stops=self.stops,
        )

    def _share(self, view: View, holds: Callable[[Score], bool]) -> float:
        found = [holds(score) for score in self.scores if score.view is view]
        return sum(found) / max(len(found), 1)


@dataclass(slots=True, kw_only=True)
class _Request:
    """A task that is being answered; ``tokens`` grows."""

    task: Task
    tokens: list[int]
    prompt_tokens: int
    has_ended: bool = False

    @property
    def written(self) -> list[int]:
        return self.tokens[self.prompt_tokens :]


@torch.no_grad()
def answer_tasks(
    network: nn.Module,
    maker: ExampleMaker,
    tasks: Sequence[Task],
    *,
    context_tokens: int,
    device: torch.device,
) -> Infilling:
    """Answer each task greedily, with its suffix and without.

    There is no key-value cache: a batch reads all its text again for each token. For a
    few hundred short tasks on a GPU that takes seconds.

    Args:
        network: The network, which is not converted or saved for this.
        maker: Makes prompts.
        tasks: The benchmark's tasks.
        context_tokens: Longest prompt and answer together; prompts are clipped.
        device: Where the network is.
    """
    scores: list[Score] = []
    for view in (View.WITH_SUFFIX, View.NO_SUFFIX):
        requests = [_request(maker, task, view, context_tokens) for task in tasks]
        for batch in _batches(requests):
            _fill(network, maker, batch, device)
        for request in requests:
            answer = Answer(
                text=maker.decode(request.written),
                has_ended=request.has_ended,
                output_tokens=len(request.written),
            )
            scores.append(score_answer(request.task, view, answer))
    return Infilling(scores=tuple(scores))


def write_scores(path: Path, infilling: Infilling) -> None:
    """Write every answer, as JSON lines.

    Raises:
        OSError: The file cannot be written.
    """
    lines = (
        json.dumps({**asdict(score), "view": score.view.value})
        for score in infilling.scores
    )
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _request(
    maker: ExampleMaker, task: Task, view: View, context_tokens: int
) -> _Request:
    suffix = task.suffix if view is View.WITH_SUFFIX else None
    room = context_tokens - task.max_tokens
    ids = maker.prompt(task.prefix, suffix, most_tokens=room)
    return _Request(task=task, tokens=list(ids), prompt_tokens=len(ids))


def _batches(requests: Sequence[_Request]) -> list[list[_Request]]:
    """Return batches of tasks of similar length."""
    batches: list[list[_Request]] = [[]]
    for request in sorted(requests, key=lambda each: len(each.tokens)):
        longest = len(request.tokens) + request.task.max_tokens
        if batches[-1] and (len(batches[-1]) + 1) * longest > _TASKS_BATCH_TOKENS:
            batches.append([])
        batches[-1].append(request)
    return batches


def _fill(
    network: nn.Module,
    maker: ExampleMaker,
    requests: list[_Request],
    device: torch.device,
) -> None:
    """Generate token after token until all have ended."""
    while requests:
        for request, token in zip(
            requests, _next_tokens(network, requests, device), strict=True
        ):
            if token == maker.end_id:
                request.has_ended = True
            else:
                request.tokens.append(token)
        requests = [request for request in requests if not _is_done(maker, request)]


def _next_tokens(
    network: nn.Module, requests: Sequence[_Request], device: torch.device
) -> list[int]:
    # Attention is causal, so padding on the right changes nothing.
    longest = max(len(request.tokens) for request in requests)
    ids: Tensor = torch.zeros(len(requests), longest, dtype=torch.long)
    for row, request in enumerate(requests):
        ids[row, : len(request.tokens)] = torch.tensor(request.tokens)
    last = torch.tensor(
        [len(request.tokens) - 1 for request in requests], device=device
    )
    with autocast(device):
        logits = network(ids.to(device))
    found: list[int] = (
        logits[torch.arange(len(requests), device=device), last].argmax(-1).tolist()
    )
    return found


def _is_done(maker: ExampleMaker, request: _Request) -> bool:
    if request.has_ended or len(request.written) >= request.task.max_tokens:
        return True
    text = maker.decode(request.written)
    # The model may still end itself after a line end.
    return Boundary(request.task).is_reached(text.removesuffix("\n"))
