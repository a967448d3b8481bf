"""What a training run is told: the shape of the model, its data, and the recipe."""

import tomllib
from collections.abc import Iterable
from dataclasses import astuple, dataclass
from pathlib import Path

from lsp_server.errors import TrainingError
from lsp_server.modelstore.strict import ShapeError, build
from training.train.changes import apply_changes
from training.train.formats import FORMATS

__all__ = [
    "Cuts",
    "Data",
    "Recipe",
    "Shape",
    "Shares",
    "Stage",
    "TrainConfig",
    "read_config",
]

_ROUNDING = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """The network. All sizes in units of one number, not bytes.

    Attributes:
        layers: Decoder layers.
        hidden: Width of the residual stream.
        heads: Query heads.
        kv_heads: Key and value heads; divides ``heads``.
        head_size: Width of one head, even.
        feed_forward: Width inside the feed-forward part.
        context_tokens: The most tokens that the saved model claims to read.
        rope_theta: Base of the rotary position frequencies.
        norm_epsilon: What keeps a norm from dividing by zero.
        qk_norm: Whether queries and keys are normed, which makes a Qwen3 of a Llama.
    """

    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_size: int
    feed_forward: int
    context_tokens: int
    rope_theta: float
    norm_epsilon: float
    qk_norm: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Which windows are cut during one part of the run.

    Attributes:
        until_share: Where the part ends, as a share of the run; the last ends at 1.
        row_tokens: Length of a row.
        shortest_window_tokens: About the shortest window of a longer document.
        longest_window_tokens: About the longest; at most ``row_tokens``.
    """

    until_share: float
    row_tokens: int
    shortest_window_tokens: int
    longest_window_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """How many of the middles are of each kind; together they are 1.

    Attributes:
        cursor: From a cursor at or in a line to the end of the line, of its statement
            or of its block.
        in_line: From a cursor within a line to the line's end.
        line: A whole line, with or without its indentation and its line end.
        block: A whole statement or a whole body by the syntax tree, likewise.
        node: A whole node of the syntax tree.
        span: A run of characters.
    """

    cursor: float = 0.0
    in_line: float = 0.0
    line: float = 0.0
    block: float = 0.0
    node: float = 0.0
    span: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cuts:
    """How windows of a document become examples.

    Attributes:
        format: Name of a prompt format in `training.train.formats`.
        fim_share: Share of the windows with a middle; the others read left to right.
        neighbours_share: Share of the windows with a middle that have pieces of one or
            two other files of the package in front.
        even_lengths: Whether every length of blocks, nodes and spans, up to a third of
            the window, is as likely; else short ones are, on a logarithmic scale.
        shares: Kinds of middles.
    """

    format: str
    fim_share: float
    neighbours_share: float
    even_lengths: bool
    shares: Shares


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """Where the text comes from and how it is read.

    Attributes:
        corpus: Folder with shards to train on and shards held out.
        tokenizer: Folder with ``tokenizer.json``.
        cuts: How windows become examples.
        apart: Whether the examples of a row cannot see each other.
        middle_weight: What a token of a middle, or its end, counts in the loss, where
            any other counts one.
        workers: Processes that cut and encode, for each that trains; none does it in
            the training process.
        held_out_examples: Examples of other packages, of each kind of middle, that the
            held-out losses are measured on.
        stages: Parts of the run, in order.
    """

    corpus: str
    tokenizer: str
    cuts: Cuts
    apart: bool
    middle_weight: float
    workers: int
    held_out_examples: int
    stages: tuple[Stage, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How the weights move.

    Attributes:
        seed: The same seed gives the same weights to start from and the same stream.
        steps: Optimiser steps of a run that no time budget ends.
        batch_tokens: Tokens of one step; a multiple of every row's.
        micro_batch_tokens: Tokens that the device holds at once.
        muon_rate: Learning rate of the matrices.
        adam_rate: Learning rate of embeddings and norms.
        weight_decay: Decay of the matrices, before the learning rate.
        momentum: Muon's momentum.
        warmup_share: Share of the run in which the rates rise from zero.
        decay_share: Share of the run, at its end, in which they fall to zero.
        clip_norm: Largest norm of a step's gradient.
        log_every_steps: Steps from one line of the log to the next.
        held_out_every_steps: Steps from one held-out loss to the next.
        checkpoint_every_steps: Steps from one checkpoint to the next.
    """

    seed: int
    steps: int
    batch_tokens: int
    micro_batch_tokens: int
    muon_rate: float
    adam_rate: float
    weight_decay: float
    momentum: float
    warmup_share: float
    decay_share: float
    clip_norm: float
    log_every_steps: int
    held_out_every_steps: int
    checkpoint_every_steps: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """A whole run, as one TOML file describes it."""

    shape: Shape
    data: Data
    recipe: Recipe

    def stage_at(self, share: float) -> Stage:
        """Give the stage that the run is in, after this share of it."""
        stages = self.data.stages
        return next((s for s in stages if share < s.until_share), stages[-1])


def read_config(path: Path, changes: Iterable[str] = ()) -> TrainConfig:
    """Read a run's TOML file, with ``changes`` such as ``data.apart = true``.

    Raises:
        TrainingError: The file cannot be read, a key is unknown or missing, or values
            do not go together.
    """
    try:
        with path.open("rb") as file:
            raw = apply_changes(tomllib.load(file), changes)
        config = build(TrainConfig, raw)
    except OSError as exc:
        raise _wrong(path, f"the file cannot be read ({exc.strerror})") from exc
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise _wrong(path, f"the file is not TOML ({exc})") from exc
    except ShapeError as exc:
        raise _wrong(path, str(exc)) from exc
    for is_right, rule in _rules(config):
        if not is_right:
            raise _wrong(path, f"it breaks the rule that {rule}")
    return config


def _rules(config: TrainConfig) -> tuple[tuple[bool, str], ...]:
    """Give what must hold, each with its words."""
    shape, data, recipe = config.shape, config.data, config.recipe
    stages = data.stages
    shares = astuple(data.cuts.shares)
    ends = [stage.until_share for stage in stages]
    sizes = (shape.layers, shape.hidden, shape.heads, shape.kv_heads, shape.head_size)
    intervals = (
        recipe.log_every_steps,
        recipe.held_out_every_steps,
        recipe.checkpoint_every_steps,
    )
    return (
        (min(sizes) > 0 and shape.feed_forward > 0, "every size is positive"),
        (
            bool(sizes[3]) and shape.heads % shape.kv_heads == 0,
            "kv_heads divides heads",
        ),
        (shape.head_size % 2 == 0, "head_size is even"),
        (
            bool(ends) and ends == sorted(ends) and ends[-1] == 1.0,
            "stages rise in until_share and end at 1.0",
        ),
        (
            all(
                0
                < s.shortest_window_tokens
                <= s.longest_window_tokens
                <= s.row_tokens
                <= shape.context_tokens
                for s in stages
            ),
            "windows fit into rows, and rows into context_tokens",
        ),
        (
            all(
                s.row_tokens > 0
                and recipe.micro_batch_tokens > 0
                and recipe.micro_batch_tokens % s.row_tokens == 0
                and recipe.batch_tokens % recipe.micro_batch_tokens == 0
                for s in stages
            )
            and recipe.batch_tokens > 0,
            "batch_tokens is a multiple of micro_batch_tokens, and that of row_tokens",
        ),
        (
            0 <= data.cuts.fim_share <= 1 and 0 <= data.cuts.neighbours_share <= 1,
            "fim_share and neighbours_share lie between 0 and 1",
        ),
        (
            min(shares) >= 0 and abs(sum(shares) - 1) < _ROUNDING,
            "the shares of kinds are together 1, and none is negative",
        ),
        (data.cuts.format in FORMATS, f"format is one of {', '.join(sorted(FORMATS))}"),
        (
            min(recipe.warmup_share, recipe.decay_share) >= 0
            and recipe.warmup_share + recipe.decay_share <= 1,
            "warmup_share and decay_share fit into the run",
        ),
        (recipe.steps > 0 and min(intervals) > 0, "steps and intervals are positive"),
        (
            data.workers >= 0 and data.held_out_examples > 0,
            "examples and workers are counts",
        ),
    )


def _wrong(path: Path, what: str) -> TrainingError:
    return TrainingError(
        what,
        subject=str(path),
        remedy="Correct it after the example of training/train/starter.toml",
    )
