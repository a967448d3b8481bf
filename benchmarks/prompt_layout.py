"""How many prompt tokens each layout makes the engine read anew, by kind of event.

Run it with ``python -m benchmarks.prompt_layout``; ``--help`` lists the options. No
engine runs: the prompts are the server's own, and the engine's prefix cache is counted
as vLLM keeps it, in whole blocks, with the last token always read anew. Typists write
in files of Python's own library, with corrections, Enter, jumps of the cursor and
accepted suggestions (`typist`). Every layout sees the same events.

With ``--edits N`` it is the real edits of the typing benchmark (`typing_traces`), about
N keys of each language: each file is cold at first, as there. All of them are typed, or
with ``--accepts`` a share of the keys accepts the rest of its line instead; right after
that nothing is asked.
"""

import argparse
import random
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.figures import circumstances, percentile, table, write_result
from benchmarks.typing_traces import Trace
from benchmarks.typing_workspace import traces_of
from benchmarks.typist import Burst, Typist
from lsp_server.config import CompletionConfig, ModelConfig, PromptConfig
from lsp_server.context.window import LineWindows
from lsp_server.modelstore.locate import locate
from lsp_server.prompt.builder import PromptBuilder
from lsp_server.prompt.families import find_family
from lsp_server.prompt.fim import FimFamily, Sentinel, Slot
from lsp_server.prompt.tokenizer import FastTokenizer
from lsp_server.values import Snapshot

__all__ = ["main"]

_RESULTS = Path(__file__).resolve().parent / "results"
_PACKAGES = Path(__file__).resolve().parents[1] / ".packages"
_ACCEPTED = "value = compute(value, other)"
_KINDS = ("key", "Enter", "jump", "accept", "first")
_ROUNDS = 10
"""How often the edits are made where chance decides what is accepted."""

_LANGUAGES = ("python", "typescript", "go", "c")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Event:
    """A request, and what came before it."""

    kind: str
    snapshot: Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layout:
    """A prompt format with its settings."""

    name: str
    family: FimFamily
    config: PromptConfig


class _PrefixCache:
    """The blocks that an engine has computed; it never drops one."""

    def __init__(self, block_tokens: int) -> None:
        self._block_tokens = block_tokens
        self._known: set[int] = set()

    def read(self, ids: Sequence[int]) -> int:
        """Compute a prompt, and return how many of its tokens were not there."""
        size = self._block_tokens
        chain, hits, is_hit = 0, 0, True
        for at in range(0, len(ids) - size + 1, size):
            chain = hash((chain, tuple(ids[at : at + size])))
            is_hit = is_hit and chain in self._known and at + size < len(ids)
            hits += is_hit
            self._known.add(chain)
        return len(ids) - hits * size


def _events(seed: int, number: int, bursts: int) -> Iterator[_Event]:
    """Yield what one typist asks."""
    typist = Typist(seed, number, 0.5)
    for _ in range(bursts):
        before = typist.position()
        burst = typist.next_burst()
        yield _Event(kind=_kind(burst, before), snapshot=_snapshot(typist))
        if burst.accepts:
            typist.accept(_ACCEPTED)
            yield _Event(kind="accept", snapshot=_snapshot(typist))


def _typed(trace: Trace, chance: random.Random, *, accepts: float) -> Iterator[_Event]:
    """Yield what is asked while the edits of a trace are typed or accepted."""
    text, kind = trace.text, "first"
    for stretch in trace.stretches:
        at = stretch.start
        text = text[:at] + text[at + stretch.removed_chars :]
        yield _Event(kind=kind, snapshot=_of_trace(trace, text, at))
        kind = "jump"
        strokes = deque(stroke.text for stroke in stretch.strokes)
        while strokes:
            added, pressed = strokes.popleft(), "key"
            if added.startswith("\n"):
                pressed = "Enter"
            elif chance.random() < accepts:
                pressed = ""
                while strokes and not strokes[0].startswith("\n"):
                    added += strokes.popleft()
            text, at = text[:at] + added + text[at:], at + len(added)
            if pressed:
                yield _Event(kind=pressed, snapshot=_of_trace(trace, text, at))


def _of_trace(trace: Trace, text: str, offset: int) -> Snapshot:
    return Snapshot(
        uri=f"file:///load/{trace.name}",
        language_id=trace.language_id,
        version=1,
        text=text,
        offset=offset,
    )


def _sessions(options: argparse.Namespace) -> list[list[_Event]]:
    """Return the events of each file that is worked on."""
    if not options.edits:
        return [
            [*_events(options.seed, number, options.bursts)]
            for number in range(options.typists)
        ]
    traces = traces_of(
        _LANGUAGES, options.edits, seed=options.seed, cache=options.packages.resolve()
    )
    chance = random.Random(options.seed)  # noqa: S311 - accepts, guards nothing
    return [
        [*_typed(trace, chance, accepts=options.accepts)]
        for _ in range(_ROUNDS if options.accepts else 1)
        for trace in traces
    ]


def _kind(burst: Burst, before: tuple[int, int]) -> str:
    """Return what the last edit of a burst did, and whether it went elsewhere."""
    typed = [edit for edit in burst.edits if edit.text]
    lines = {edit.start[0] for edit in typed[:1]}
    if lines and before[0] not in lines:
        return "jump"
    return "Enter" if any(edit.text.startswith("\n") for edit in typed) else "key"


def _snapshot(typist: Typist) -> Snapshot:
    return Snapshot(
        uri=typist.uri,
        language_id="python",
        version=1,
        text=typist.text,
        offset=typist.cursor,
    )


def _layouts(prompt_tokens: int) -> Iterator[_Layout]:
    """Yield the layouts that are compared, all with the sentinels of one tokenizer."""
    spm = find_family("midfill")
    begin, prefix, suffix, middle = (
        Sentinel(f"<|{name}|>")
        for name in ("endoftext", "fim_prefix", "fim_suffix", "fim_middle")
    )
    psm = FimFamily(
        name="psm",
        order=(begin, prefix, Slot.PREFIX, suffix, Slot.SUFFIX, middle),
        stop_tokens=spm.stop_tokens,
    )
    for name, family, lines, anchor in (
        ("SPM", spm, 1000, 0),
        ("SPM", spm, 24, 0),
        ("SPM", spm, 12, 0),
        ("PSM", psm, 1000, 0),
        ("PSM", psm, 24, 0),
        ("PSM", psm, 12, 0),
        ("PSM, anchored", psm, 24, 1),
        ("PSM, anchored", psm, 24, 4),
        ("PSM, anchored", psm, 24, 8),
        ("PSM, anchored", psm, 12, 4),
        ("PSM, anchored", psm, 12, 8),
    ):
        config = PromptConfig(
            max_prompt_tokens=prompt_tokens, suffix_lines=lines, anchor_lines=anchor
        )
        below = "all that fits" if lines == 1000 else str(lines)
        label = f"{name}; suffix {below}" + (f"; anchor {anchor}" if anchor else "")
        yield _Layout(name=label, family=family, config=config)


def _measure(
    layout: _Layout,
    tokenizer: FastTokenizer,
    sessions: Sequence[Sequence[_Event]],
    block_tokens: int,
) -> dict[str, object]:
    """Return the new prompt tokens of every event of one layout, by kind."""
    builder = PromptBuilder(
        tokenizer=tokenizer,
        family=layout.family,
        config=layout.config,
        max_model_len=2048,
        windows=LineWindows(
            encode=tokenizer.encode,
            step_lines=layout.config.step_lines,
            suffix_lines=layout.config.suffix_lines,
        ),
    )
    new: dict[str, list[int]] = defaultdict(list)
    total = 0
    for events in sessions:
        cache = _PrefixCache(block_tokens)
        for at, event in enumerate(events):
            ids = builder.build(
                event.snapshot, max_output_tokens=CompletionConfig().max_line_tokens
            ).token_ids
            read = cache.read(ids)
            if at or event.kind == "first":  # a typist's first finds nothing anywhere
                new[event.kind].append(read)
                total += len(ids)
    every = [count for counts in new.values() for count in counts]
    return {
        "layout": layout.name,
        "events": {kind: len(new[kind]) for kind in _KINDS},
        "new_tokens": {
            kind: {f"p{each}": percentile(new[kind], each) for each in (50, 90)}
            for kind in _KINDS
            if new[kind]
        },
        "missing_share": {kind: sum(new[kind]) / total for kind in _KINDS},
        "all": {f"p{each}": percentile(every, each) for each in (50, 90)},
        "mean": sum(every) / len(every),
        "cached_share": 1 - sum(every) / total,
    }


def layout_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the table of the measured layouts."""
    kinds = [each for each in _KINDS if rows[0]["events"][each]]
    head = [*("layout", "p50", "p90", "mean", "cached"), *(f"{k} p50" for k in kinds)]
    head += [f"{kind} misses" for kind in kinds]
    lines = [
        [
            str(row["layout"]),
            *(f"{row['all'][each]:.0f}" for each in ("p50", "p90")),
            f"{row['mean']:.0f}",
            f"{row['cached_share']:.1%}",
            *(f"{row['new_tokens'][kind]['p50']:.0f}" for kind in kinds),
            *(f"{row['missing_share'][kind]:.2%}" for kind in kinds),
        ]
        for row in rows
    ]
    return table(head, lines)


def main() -> None:
    """Compare the layouts, and print and keep the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--typists", type=int, default=24)
    parser.add_argument("--bursts", type=int, default=150)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--prompt-tokens", type=int, default=1024)
    parser.add_argument("--block-tokens", type=int, default=32, help="16 on a GPU")
    parser.add_argument("--edits", type=int, default=0, metavar="KEYS")
    parser.add_argument("--accepts", type=float, default=0, metavar="SHARE")
    parser.add_argument("--packages", type=Path, default=_PACKAGES)
    parser.add_argument("--result", type=Path, default=_RESULTS / "prompt_layout.json")
    options = parser.parse_args()
    tokenizer = FastTokenizer(locate(ModelConfig().path))
    sessions = _sessions(options)
    rows = [
        _measure(layout, tokenizer, sessions, options.block_tokens)
        for layout in _layouts(options.prompt_tokens)
    ]
    print(layout_table(rows), end="\n\n")
    paths = {"result", "packages"}
    settings = {key: each for key, each in vars(options).items() if key not in paths}
    write_result(
        options.result, {**circumstances(), "settings": settings, "layouts": rows}
    )


if __name__ == "__main__":
    main()
