"""Trains: rows in, steps, and now and then a line, a held-out loss, a checkpoint."""

import math
import tempfile
import time
from collections.abc import Generator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from lsp_server.errors import TrainingError
from training.eval.values import View
from training.train.attention import Mask, apart_mask
from training.train.checkpoint import Checkpoint
from training.train.config import Stage
from training.train.data import Position, Rows, RowSource, stream
from training.train.device import autocast, wait_for
from training.train.documents import read_shards, write_store
from training.train.examples import ExampleMaker, Role
from training.train.held_out import HeldOutExamples
from training.train.held_out_rows import draw_kinds
from training.train.infilling import fill_gaps
from training.train.log import HeldOut, Infilled
from training.train.losses import count_targets, sum_losses, to_device
from training.train.meter import Clock, Meter
from training.train.network import Decoder
from training.train.optimiser import Optimiser, rate_factor
from training.train.order import Listener, Order
from training.train.ranks import Ranks, check_split, join_ranks
from training.train.run_folder import RunFolder

__all__ = ["train"]


class _SumLosses(Protocol):
    def __call__(
        self, network: nn.Module, rows: Tensor, mask: Mask | None, /
    ) -> Tensor: ...


def train(order: Order, listener: Listener) -> None:
    """Run to the end of the steps or of the time, and save the model.

    ``out`` then holds ``model/``, ``checkpoint.pt``, ``log.jsonl``, ``loss.svg``. Under
    ``torchrun`` every process calls this; only the first one's listener hears.

    Raises:
        MidfillError: Corpus, tokenizer, checkpoint or disk cannot be used, the loss is
            not a number, or the time is over before the first step.
    """
    begin_s = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, join_ranks(order.device) as ranks:
        run = _Run(order, listener, ranks, Path(ranks.first_says(folder)))
        run.rehearse()
        run.go(ready_s=time.monotonic() - begin_s)


class _Run:
    def __init__(
        self, order: Order, listener: Listener, ranks: Ranks, folder: Path
    ) -> None:
        config = order.config
        self._begin_s = time.monotonic()
        self._order, self._config, self._listener = order, config, listener
        self._device, self._ranks = order.device, ranks
        self._is_first = not ranks.number
        check_split(config.recipe, ranks)
        tokenizer = Path(config.data.tokenizer)
        self._maker = ExampleMaker(tokenizer, config.data.cuts)
        self._folder = RunFolder(order.out, config, processes=ranks.size)
        saved = self._folder.saved() if order.resume else None
        self._source = self._store(folder, "train")
        torch.manual_seed(config.recipe.seed)
        self._network = Decoder(
            config.shape, vocabulary_size=self._maker.vocabulary_size
        ).to(self._device)
        self._optimiser = Optimiser(self._network, config.recipe)
        self._step, self._tokens, self._elapsed_s = 0, 0, 0.0
        self._position = Position(item=ranks.number, row=0)
        if saved is not None:
            self._take_over(saved)
        if self._is_first:
            self._folder.keep_log(steps=self._step)
            held_out = self._store(folder, "held-out")
            self._held_out = HeldOutExamples(draw_kinds(held_out, config))
        self._sum_losses: _SumLosses = sum_losses
        if self._device.type == "cuda":
            self._sum_losses = torch.compile(sum_losses, dynamic=False)

    def rehearse(self) -> None:
        """Run each length of row once, so that compiling takes no time of a step."""
        weights = _count_weights(self._network)
        if self._is_first:
            where = f"{self._ranks.size} x {self._device.type}"
            self._listener.say(f"{weights:,} weights on {where}")
        micro = self._config.recipe.micro_batch_tokens
        for length in {stage.row_tokens for stage in self._config.data.stages}:
            shape = (micro // length, 3, length + 1)
            self._backward(np.full(shape, Role.MIDDLE, np.uint16), total=1.0)
        self._network.zero_grad(set_to_none=True)
        wait_for(self._device)

    def go(self, *, ready_s: float) -> None:
        """Step to the end; what came before took ``ready_s`` seconds."""
        minutes = self._order.minutes
        budget_s = None if minutes is None else minutes * 60 - ready_s
        if budget_s is not None and budget_s <= 0:
            raise TrainingError(
                f"the time is over before the first step, after {ready_s:.0f} s",
                subject=str(self._order.out),
                remedy="Give the run more minutes",
            )
        clock = Clock(elapsed_s=self._elapsed_s, budget_s=budget_s)
        meter = Meter(
            self._config.shape,
            parameters=_count_weights(self._network),
            middle_weight=self._config.data.middle_weight,
            device=self._device,
            ranks=self._ranks,
        )
        share, stage = self._ahead(clock)
        while stage is not None:
            with closing(self._stream(stage)) as rows:
                current = stage
                while stage is current:
                    self._one_step(rows, stage, share, meter)
                    share, stage = self._ahead(clock)
                    self._report(clock, share, meter)
        self._measure_held_out()
        self._fill_gaps()
        self._keep(clock)

    def _ahead(self, clock: Clock) -> tuple[float, Stage | None]:
        """Give the share that is done, and the stage of the next step if there is one.

        All processes take the first one's word, as their clocks differ.
        """
        minutes = self._order.pause_minutes
        share, is_paused = self._ranks.first_says(
            (
                self._step / self._config.recipe.steps
                if clock.budget_s is None
                else clock.seconds() / clock.budget_s,
                minutes is not None and time.monotonic() - self._begin_s > minutes * 60,
            )
        )
        return share, None if is_paused or share >= 1 else self._config.stage_at(share)

    def _stream(self, stage: Stage) -> Generator[tuple[Rows, Position], None, None]:
        return stream(
            self._source,
            stage,
            self._position,
            workers=self._config.data.workers,
            stride=self._ranks.size,
        )

    def _one_step(
        self,
        rows: Generator[tuple[Rows, Position], None, None],
        stage: Stage,
        share: float,
        meter: Meter,
    ) -> None:
        recipe, weight = self._config.recipe, self._config.data.middle_weight
        mine = recipe.batch_tokens // stage.row_tokens // self._ranks.size
        drawn = list(islice(rows, mine))
        batch = np.stack([row for row, _ in drawn])
        every = self._ranks.gather(count_targets(batch))
        counts = sum(each[0] for each in every), sum(each[1] for each in every)
        total = max(counts[0] + weight * counts[1], 1.0)
        rows_at_once = recipe.micro_batch_tokens // stage.row_tokens
        for first in range(0, len(batch), rows_at_once):
            sums = self._backward(batch[first : first + rows_at_once], total=total)
            meter.add_sums(sums)
        grads = (weight.grad for weight in self._network.parameters())
        self._ranks.add_up(grad for grad in grads if grad is not None)
        factor = rate_factor(share, recipe)
        self._optimiser.step(factor)
        self._step += 1
        self._tokens += recipe.batch_tokens
        self._position = drawn[-1][1]
        meter.add_step(counts, stage, tokens=recipe.batch_tokens, rate_factor=factor)

    def _backward(self, rows: Rows, *, total: float) -> Tensor:
        weight = self._config.data.middle_weight
        placed = to_device(rows, self._device)
        mask = apart_mask(placed[:, 2, :-1]) if self._config.data.apart else None
        with autocast(self._device):
            sums = self._sum_losses(self._network, placed, mask)
        torch.autograd.backward([(sums[0] + weight * sums[1]) / total])
        return sums.detach()

    def _report(self, clock: Clock, share: float, meter: Meter) -> None:
        recipe = self._config.recipe
        if self._step % recipe.log_every_steps == 0:
            measured = meter.read(
                step=self._step, share=share, tokens=self._tokens, clock=clock
            )
            if not math.isfinite(measured.loss):
                raise TrainingError(
                    f"the loss is not a number after step {self._step}",
                    subject=str(self._order.out),
                    remedy="Lower the learning rates, and start anew",
                )
            if self._is_first:
                self._folder.add(measured)
                self._listener.measured(measured)
        # The end of the run does both in any case.
        if share < 1 and self._step % recipe.held_out_every_steps == 0:
            with meter.paused():
                self._measure_held_out()
        if share < 1 and self._step % recipe.checkpoint_every_steps == 0:
            with meter.paused():
                self._keep(clock)

    def _measure_held_out(self) -> None:
        if not self._is_first:
            return
        kinds = self._held_out.scores(self._network, self._device)
        entry = HeldOut(
            step=self._step,
            tokens=self._tokens,
            held_out_middle_loss=sum(k.loss for k in kinds.values()) / len(kinds),
            kinds=kinds,
        )
        self._folder.add(entry)
        self._listener.held_out(entry)

    def _fill_gaps(self) -> None:
        """Let the finished model fill the tasks' gaps, if there are any."""
        tasks = self._order.tasks
        if not (self._is_first and tasks):
            return
        infilling = fill_gaps(
            self._network,
            self._maker,
            tasks,
            context_tokens=self._config.shape.context_tokens,
            device=self._device,
        )
        entry = Infilled(
            step=self._step,
            tokens=self._tokens,
            tasks=len(tasks),
            exact=infilling.exact(View.WITH_SUFFIX),
            exact_without_suffix=infilling.exact(View.NO_SUFFIX),
            stops=infilling.stops,
        )
        self._folder.add(entry)
        self._folder.keep_answers(infilling)
        self._listener.infilled(entry)

    def _keep(self, clock: Clock) -> None:
        """Write checkpoint, model and picture."""
        positions = self._ranks.gather(self._position)
        if not self._is_first:
            return
        self._folder.save(
            self._network,
            optimiser=self._optimiser.state(),
            step=self._step,
            tokens=self._tokens,
            elapsed_s=clock.seconds(),
            positions=tuple(positions),
            end_id=self._maker.end_id,
        )
        self._listener.say(
            f"step {self._step}: model and checkpoint saved in {self._folder}"
        )

    def _take_over(self, saved: Checkpoint) -> None:
        self._network.load_state_dict(saved.network)
        self._optimiser.load(saved.optimiser)
        self._step, self._tokens = saved.step, saved.tokens
        self._elapsed_s = saved.elapsed_s
        self._position = saved.positions[self._ranks.number]

    def _store(self, folder: Path, split: str) -> RowSource:
        """Unpack a part of the corpus to where all processes can read it."""
        path = folder / f"{split}.bin"
        if self._is_first:
            write_store(path, read_shards(Path(self._config.data.corpus), split))
        return RowSource(
            store=path,
            tokenizer=Path(self._config.data.tokenizer),
            cuts=self._config.data.cuts,
            seed=self._config.recipe.seed,
        )


def _count_weights(network: Decoder) -> int:
    return sum(weight.numel() for weight in network.parameters())
