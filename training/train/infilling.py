"""Lets a network fill the gaps of a benchmark, greedily, and judges what it writes.

There is no key-value cache: a batch reads all its text again for each token. For a few
hundred short tasks on a GPU that takes seconds, and it is the network that is trained,
not a second one, that answers.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from training.eval.extent import Boundary
from training.eval.scoring import score_answer
from training.eval.values import Answer, Score, Task, View
from training.train.device import autocast
from training.train.examples import ExampleMaker

__all__ = ["Infilling", "fill_gaps", "write_scores"]

_BATCH_TOKENS = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Infilling:
    """What came of all tasks.

    Attributes:
        scores: Of each task, with the suffix read and without.
    """

    scores: tuple[Score, ...]

    def exact(self, view: View) -> float:
        """Return the share of tasks that is exactly right."""
        return self._share(view, lambda score: score.exact)

    @property
    def stops(self) -> float:
        """The share that the model ended by itself where it should, with suffix."""
        return self._share(View.WITH_SUFFIX, lambda score: score.stops)

    def _share(self, view: View, holds: Callable[[Score], bool]) -> float:
        found = [holds(score) for score in self.scores if score.view is view]
        return sum(found) / max(len(found), 1)


@dataclass(slots=True, kw_only=True)
class _Gap:
    """One task on its way; ``tokens`` grows."""

    task: Task
    tokens: list[int]
    prompt_tokens: int
    has_ended: bool = False

    @property
    def written(self) -> list[int]:
        return self.tokens[self.prompt_tokens :]


@torch.no_grad()
def fill_gaps(
    network: nn.Module,
    maker: ExampleMaker,
    tasks: Sequence[Task],
    *,
    context_tokens: int,
    device: torch.device,
) -> Infilling:
    """Ask for each task with its suffix and without.

    Prompts are clipped to leave room for the answer in ``context_tokens``.
    """
    scores: list[Score] = []
    for view in (View.WITH_SUFFIX, View.NO_SUFFIX):
        gaps = [_open(maker, task, view, context_tokens) for task in tasks]
        for batch in _batches(gaps):
            _fill(network, maker, batch, device)
        for gap in gaps:
            answer = Answer(
                text=maker.decode(gap.written),
                has_ended=gap.has_ended,
                output_tokens=len(gap.written),
            )
            scores.append(score_answer(gap.task, view, answer))
    return Infilling(scores=tuple(scores))


def write_scores(path: Path, infilling: Infilling) -> None:
    """Write every answer, an object a line."""
    lines = (
        json.dumps({**asdict(score), "view": score.view.value})
        for score in infilling.scores
    )
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _open(maker: ExampleMaker, task: Task, view: View, context_tokens: int) -> _Gap:
    suffix = task.suffix if view is View.WITH_SUFFIX else None
    room = context_tokens - task.max_tokens
    ids = maker.prompt(task.prefix, suffix, most_tokens=room)
    return _Gap(task=task, tokens=list(ids), prompt_tokens=len(ids))


def _batches(gaps: Sequence[_Gap]) -> list[list[_Gap]]:
    """Put gaps of about one length together."""
    batches: list[list[_Gap]] = [[]]
    for gap in sorted(gaps, key=lambda each: len(each.tokens)):
        longest = len(gap.tokens) + gap.task.max_tokens
        if batches[-1] and (len(batches[-1]) + 1) * longest > _BATCH_TOKENS:
            batches.append([])
        batches[-1].append(gap)
    return batches


def _fill(
    network: nn.Module, maker: ExampleMaker, gaps: list[_Gap], device: torch.device
) -> None:
    """Write token after token until all have ended."""
    while gaps:
        for gap, token in zip(gaps, _next_tokens(network, gaps, device), strict=True):
            if token == maker.end_id:
                gap.has_ended = True
            else:
                gap.tokens.append(token)
        gaps = [gap for gap in gaps if not _is_done(maker, gap)]


def _next_tokens(
    network: nn.Module, gaps: Sequence[_Gap], device: torch.device
) -> list[int]:
    # What stands behind a token does not reach it, so padding goes to the right.
    longest = max(len(gap.tokens) for gap in gaps)
    ids: Tensor = torch.zeros(len(gaps), longest, dtype=torch.long)
    for row, gap in enumerate(gaps):
        ids[row, : len(gap.tokens)] = torch.tensor(gap.tokens)
    last = torch.tensor([len(gap.tokens) - 1 for gap in gaps], device=device)
    with autocast(device):
        logits = network(ids.to(device))
    found: list[int] = (
        logits[torch.arange(len(gaps), device=device), last].argmax(-1).tolist()
    )
    return found


def _is_done(maker: ExampleMaker, gap: _Gap) -> bool:
    if gap.has_ended or len(gap.written) >= gap.task.max_tokens:
        return True
    text = maker.decode(gap.written)
    # A line end may come before the end; more than that is not watched.
    return Boundary(gap.task).is_passed(text.removesuffix("\n"))
