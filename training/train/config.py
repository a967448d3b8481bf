"""The configuration of a training run, read from a TOML file."""

import json
import math
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass
from functools import reduce
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from pydantic import (
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveInt,
    TypeAdapter,
    ValidationError,
)

from lsp_server.errors import TrainingError

__all__ = [
    "Cuts",
    "Data",
    "FormatName",
    "Recipe",
    "Shape",
    "Shares",
    "Stage",
    "TrainConfig",
    "read_config",
]

_Share: TypeAlias = Annotated[float, Field(ge=0, le=1)]

FormatName: TypeAlias = Literal["midfill", "prefix-first", "marked-cursor"]
"""A prompt format; `training.train.examples` has what each looks like."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """The network's sizes. Widths are numbers of values, not bytes.

    Attributes:
        layers: Decoder layers.
        hidden: Width of the residual stream.
        heads: Query heads.
        kv_heads: Key and value heads; divides ``heads``.
        head_size: Width of one head, even.
        feed_forward: Width inside the feed-forward part.
        context_tokens: Context length that the saved model declares.
        rope_theta: Base of the rotary position frequencies.
        norm_epsilon: Added to a norm's mean square, against division by zero.
        qk_norm: Whether queries and keys are normed: a Qwen3 instead of a Llama.
    """

    layers: PositiveInt
    hidden: PositiveInt
    heads: PositiveInt
    kv_heads: PositiveInt
    head_size: Annotated[int, Field(gt=0, multiple_of=2)]
    feed_forward: PositiveInt
    context_tokens: int
    rope_theta: float
    norm_epsilon: float
    qk_norm: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One part of the run, and the windows that are cut in it.

    Attributes:
        until_share: Where the part ends, as a share of the run; the last ends at 1.
        row_tokens: Length of a row.
        shortest_window_tokens: About the shortest window of a longer document.
        longest_window_tokens: About the longest; at most ``row_tokens``.
    """

    until_share: float
    row_tokens: PositiveInt
    shortest_window_tokens: PositiveInt
    longest_window_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """The share of each kind of middle; together they are 1.

    Attributes:
        cursor: From a cursor to the end of its line, statement or block.
        in_line: From a cursor within a line to the line's end.
        line: A whole line, with or without its indentation and its line end.
        block: A whole statement or a whole body by the syntax tree, likewise.
        node: A whole node of the syntax tree.
        span: A run of characters.
    """

    cursor: NonNegativeFloat = 0.0
    in_line: NonNegativeFloat = 0.0
    line: NonNegativeFloat = 0.0
    block: NonNegativeFloat = 0.0
    node: NonNegativeFloat = 0.0
    span: NonNegativeFloat = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cuts:
    """How windows of a document become examples.

    Attributes:
        format: The prompt format.
        fim_share: Share of the windows with a middle; the others read left to right.
        neighbours_share: Share of those with a middle that have snippets of one or two
            other files of the package in front.
        even_lengths: Whether all lengths of blocks, nodes and spans, up to a third of
            the window, are equally likely; if not, short ones are likelier.
        shares: Kinds of middles.
    """

    format: FormatName
    fim_share: _Share
    neighbours_share: _Share
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
        middle_weight: Weight in the loss of a middle's tokens and of its end; all other
            tokens weigh one.
        workers: Processes that cut and encode, for each process that trains; with 0
            the training process does it.
        held_out_examples: Held-out examples of each kind of middle.
        stages: Parts of the run, in order.
    """

    corpus: str
    tokenizer: str
    cuts: Cuts
    apart: bool
    middle_weight: float
    workers: NonNegativeInt
    held_out_examples: PositiveInt
    stages: tuple[Stage, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Hyperparameters of the optimisation, and how often the run reports.

    Attributes:
        seed: Decides the initial weights and the stream of examples.
        steps: Optimiser steps of a run without a time budget.
        batch_tokens: Tokens of one step; a multiple of every row's.
        micro_batch_tokens: Tokens of one forward and backward pass.
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
    steps: PositiveInt
    batch_tokens: PositiveInt
    micro_batch_tokens: PositiveInt
    muon_rate: float
    adam_rate: float
    weight_decay: float
    momentum: float
    warmup_share: NonNegativeFloat
    decay_share: NonNegativeFloat
    clip_norm: float
    log_every_steps: PositiveInt
    held_out_every_steps: PositiveInt
    checkpoint_every_steps: PositiveInt


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """The configuration of a run."""

    shape: Shape
    data: Data
    recipe: Recipe

    def stage_at(self, share: float) -> Stage:
        """Return the stage in which the step after this share of the run lies."""
        stages = self.data.stages
        return next((s for s in stages if share < s.until_share), stages[-1])


def read_config(path: Path, changes: Iterable[str] = ()) -> TrainConfig:
    """Read a run's TOML file.

    Nothing is converted: a text is no number, and ``true`` is not 1.

    Args:
        path: The file.
        changes: TOML lines, such as ``data.apart = true``, applied in order; a table
            replaces only the keys that it has, a list the whole list.

    Raises:
        TrainingError: The file cannot be read, or its keys or values are wrong.
    """
    try:
        with path.open("rb") as file:
            raw = reduce(_merged, map(tomllib.loads, changes), tomllib.load(file))
        # As JSON: of Python's values, the strict mode takes instances alone.
        config = TypeAdapter(TrainConfig).validate_json(
            json.dumps(raw, default=str), strict=True, extra="forbid"
        )
    except OSError as exc:
        raise _wrong(path, f"the file cannot be read ({exc.strerror})") from exc
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise _wrong(path, f"the file is not TOML ({exc})") from exc
    except ValidationError as exc:
        raise _wrong(path, _first_error(exc)) from exc
    for is_kept, rule in _rules(config):
        if not is_kept:
            raise _wrong(path, f"it breaks the rule that {rule}")
    return config


def _merged(old: Mapping[str, object], new: Mapping[str, object]) -> dict[str, object]:
    """Return ``old`` with the values of ``new``, table by table."""
    merged = dict(old)
    for key, value in new.items():
        match merged.get(key), value:
            case dict() as before, dict():
                merged[key] = _merged(before, value)
            case _:
                merged[key] = value
    return merged


def _rules(config: TrainConfig) -> tuple[tuple[bool, str], ...]:
    """Return whether each rule about several values is kept, and its text."""
    shape, stages, recipe = config.shape, config.data.stages, config.recipe
    ends = [stage.until_share for stage in stages]
    return (
        (shape.heads % shape.kv_heads == 0, "kv_heads divides heads"),
        (
            bool(ends) and ends == sorted(ends) and ends[-1] == 1.0,
            "stages rise in until_share and end at 1.0",
        ),
        (
            all(
                s.shortest_window_tokens <= s.longest_window_tokens <= s.row_tokens
                and s.row_tokens <= shape.context_tokens
                for s in stages
            ),
            "windows fit into rows, and rows into context_tokens",
        ),
        (
            recipe.batch_tokens % recipe.micro_batch_tokens == 0
            and all(recipe.micro_batch_tokens % s.row_tokens == 0 for s in stages),
            "batch_tokens is a multiple of micro_batch_tokens, and that of row_tokens",
        ),
        (
            math.isclose(sum(astuple(config.data.cuts.shares)), 1),
            "the shares of kinds are together 1",
        ),
        (
            recipe.warmup_share + recipe.decay_share <= 1,
            "warmup_share and decay_share fit into the run",
        ),
    )


def _first_error(error: ValidationError) -> str:
    first = error.errors()[0]
    parts = (f"[{p}]" if isinstance(p, int) else f".{p}" for p in first["loc"])
    key = "".join(parts).removeprefix(".")
    match first["type"]:
        case "missing":
            return f"the key {key!r} is missing"
        case "unexpected_keyword_argument":
            return f"the key {key!r} is unknown"
    return f"{key!r}: {first['msg'][:1].lower()}{first['msg'][1:]}"


def _wrong(path: Path, what: str) -> TrainingError:
    return TrainingError(
        what, subject=str(path), remedy="Compare it with training/train/starter.toml"
    )
