"""The training loop: steps over rows, with a log, held-out scores and checkpoints."""

import math
import tempfile
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from lsp_server.errors import TrainingError
from training.eval.values import Task
from training.train.checkpoint import Checkpoint
from training.train.config import Stage, TrainConfig
from training.train.data import Position, Rows, RowSource, draw_kinds, stream
from training.train.documents import read_shards, write_store
from training.train.examples import ExampleMaker, Role
from training.train.export import load_weights
from training.train.log import Listener
from training.train.meter import Clock, Meter, count_targets, sum_losses, to_device
from training.train.network import Decoder, Mask, apart_mask
from training.train.optimiser import Optimiser, rate_factor
from training.train.ranks import Ranks, autocast, check_split, join_ranks, wait_for
from training.train.run_folder import RunFolder
from training.train.scores import HeldOutExamples, answer_tasks

__all__ = ["RunOptions", "train"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """What to train, where, and for how long.

    Attributes:
        config: The run's configuration.
        out: Folder for the model, the log, the picture and the checkpoint.
        device: The device of this process.
        minutes: Length of the run, preparation included; None counts steps.
        pause_minutes: When this process saves a checkpoint and stops; None: never.
        resume: Whether to continue from the checkpoint in ``out``.
        weights: Folder of a trained model to start from; None takes random weights.
        tasks: Tasks of a benchmark for the finished model.
    """

    config: TrainConfig
    out: Path
    device: torch.device
    minutes: float | None = None
    pause_minutes: float | None = None
    resume: bool = False
    weights: Path | None = None
    tasks: Sequence[Task] = ()


def train(options: RunOptions, listener: Listener) -> None:
    """Train to the end of the steps or of the time, and save the model.

    ``out`` then holds ``model/`` and its ``parts/``, ``checkpoint.pt``, ``log.jsonl``,
    ``loss.svg``; the model is there before it is judged. Under ``torchrun`` every
    process calls this; only the first one's listener is used.

    Raises:
        MidfillError: Corpus, tokenizer, checkpoint or disk cannot be used, the loss is
            not a number, or the time is over before the first step.
    """
    begin_s = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, join_ranks(options.device) as ranks:
        run = _Run(options, listener, ranks, Path(ranks.broadcast(folder)))
        run.warm_up()
        run.train(ready_s=time.monotonic() - begin_s)


class _Run:
    def __init__(
        self, options: RunOptions, listener: Listener, ranks: Ranks, folder: Path
    ) -> None:
        config = options.config
        self._begin_s, self._device = time.monotonic(), options.device
        self._options, self._config = options, config
        self._listener, self._ranks = listener, ranks
        self._is_first = not ranks.number
        check_split(config.recipe, ranks)
        self._maker = ExampleMaker(Path(config.data.tokenizer), config.data.cuts)
        self._folder = RunFolder(
            options.out, config, processes=ranks.size, weights=options.weights
        )
        saved = self._folder.load() if options.resume else None
        self._source = self._store(folder, "train")
        torch.manual_seed(config.recipe.seed)
        self._network = Decoder(
            config.shape, vocabulary_size=self._maker.vocabulary_size
        ).to(self._device)
        self._weights = sum(each.numel() for each in self._network.parameters())
        self._optimiser = Optimiser(self._network, config.recipe)
        self._step, self._tokens, self._elapsed_s = 0, 0, 0.0
        self._position = Position(item=ranks.number, row=0)
        if saved is not None:
            self._restore(saved)
        elif options.weights is not None:
            load_weights(self._network, options.weights)
        if self._is_first:
            self._folder.open_log(steps=self._step)
            held_out = self._store(folder, "held-out")
            self._held_out = HeldOutExamples(draw_kinds(held_out, config))
        self._sum_losses: Callable[[nn.Module, Tensor, Mask | None], Tensor] = (
            sum_losses
        )
        if self._device.type == "cuda":
            self._sum_losses = torch.compile(sum_losses, dynamic=False)

    def warm_up(self) -> None:
        """Compile for each length of row, before any step is timed."""
        if self._is_first:
            where = f"{self._ranks.size} x {self._device.type}"
            self._listener.message(f"{self._weights:,} weights on {where}")
        micro = self._config.recipe.micro_batch_tokens
        for length in {stage.row_tokens for stage in self._config.data.stages}:
            shape = (micro // length, 3, length + 1)
            self._backward(np.full(shape, Role.MIDDLE, np.uint16), total=1.0)
        self._network.zero_grad(set_to_none=True)
        wait_for(self._device)

    def train(self, *, ready_s: float) -> None:
        """Train to the end, of a run whose preparation took ``ready_s`` seconds."""
        minutes = self._options.minutes
        budget_s = None if minutes is None else minutes * 60 - ready_s
        if budget_s is not None and budget_s <= 0:
            raise TrainingError(
                f"the time is over before the first step, after {ready_s:.0f} s",
                subject=str(self._options.out),
                remedy="Give the run more minutes",
            )
        clock = Clock(elapsed_s=self._elapsed_s, budget_s=budget_s)
        meter = Meter(
            self._config.shape,
            parameters=self._weights,
            middle_weight=self._config.data.middle_weight,
            device=self._device,
            ranks=self._ranks,
        )
        share, stage = self._next_stage(clock)
        while stage is not None:
            with closing(self._stream(stage)) as rows:
                current = stage
                while stage is current:
                    self._one_step(rows, stage, share, meter)
                    share, stage = self._next_stage(clock)
                    self._report(clock, share, meter)
        self._save(clock)  # what a lost machine would cost comes first
        self._measure_held_out()
        self._answer_tasks()

    def _next_stage(self, clock: Clock) -> tuple[float, Stage | None]:
        """Return share and next stage (None: the end) by the first process's clock."""
        minutes = self._options.pause_minutes
        share, is_paused = self._ranks.broadcast(
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
        self._ranks.all_reduce(grad for grad in grads if grad is not None)
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
                    subject=str(self._options.out),
                    remedy="Lower the learning rates, and train from the start",
                )
            if self._is_first:
                self._folder.add(measured)
                self._listener.measured(measured)
        # At the end of the run both are done anyway.
        if share < 1 and self._step % recipe.held_out_every_steps == 0:
            with meter.paused():
                self._measure_held_out()
        if share < 1 and self._step % recipe.checkpoint_every_steps == 0:
            with meter.paused():
                self._save(clock)

    def _measure_held_out(self) -> None:
        if not self._is_first:
            return
        entry = self._held_out.measure(
            self._network, self._device, step=self._step, tokens=self._tokens
        )
        self._folder.add(entry)
        self._folder.draw()
        self._listener.held_out(entry)

    def _answer_tasks(self) -> None:
        """Let the finished model answer the benchmark's tasks, if there are any."""
        tasks = self._options.tasks
        if not (self._is_first and tasks):
            return
        infilling = answer_tasks(
            self._network,
            self._maker,
            tasks,
            context_tokens=self._config.shape.context_tokens,
            device=self._device,
        )
        entry = infilling.entry(step=self._step, tokens=self._tokens)
        self._folder.add(entry)
        self._folder.save_answers(infilling)
        self._listener.infilled(entry)

    def _save(self, clock: Clock) -> None:
        """Write checkpoint, model and the model's parts."""
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
        saved = f"model and checkpoint saved in {self._folder}"
        self._listener.message(f"step {self._step}: {saved}")

    def _restore(self, saved: Checkpoint) -> None:
        self._network.load_state_dict(saved.network)
        self._optimiser.load(saved.optimiser)
        self._step, self._tokens = saved.step, saved.tokens
        self._elapsed_s = saved.elapsed_s
        self._position = saved.positions[self._ranks.number]

    def _store(self, folder: Path, split: str) -> RowSource:
        """Unpack a split of the corpus into a file that all processes can read."""
        path = folder / f"{split}.bin"
        if self._is_first:
            write_store(path, read_shards(Path(self._config.data.corpus), split))
        return RowSource(
            store=path,
            tokenizer=Path(self._config.data.tokenizer),
            cuts=self._config.data.cuts,
            seed=self._config.recipe.seed,
        )
