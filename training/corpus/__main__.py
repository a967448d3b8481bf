"""``python -m training.corpus``: the command line of the corpus builder."""

import argparse
import sys
from pathlib import Path

from lsp_server.commands.terminal import positive
from lsp_server.errors import MidfillError
from lsp_server.hardware import read_cpu
from training.corpus.output import HELD_OUT, TRAIN, CorpusManifest
from training.corpus.pipeline import BuildOptions, build_corpus
from training.progress import LineProgress

__all__ = ["main"]

_INTERRUPTED = 130
_CHARACTERS_PER_TOKEN = 4
_MEBIBYTE = 1024 * 1024


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit status."""
    parsed = _parser().parse_args(arguments)
    options = BuildOptions(
        sources=tuple(parsed.sources),
        output=parsed.out,
        evaluation_data=tuple(parsed.evaluation_data),
        held_out_share=parsed.held_out_share,
        threshold=parsed.near_duplicate_threshold,
        shard_bytes=parsed.shard_mib * _MEBIBYTE,
        workers=parsed.workers,
    )
    try:
        manifest = build_corpus(options, progress=LineProgress(sys.stderr).say)
    except MidfillError as exc:
        print(f"error: {exc}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; nothing was written", file=sys.stderr)
        return _INTERRUPTED
    print(_report(options, manifest))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training.corpus",
        description="Build a training corpus of permissively licensed Python source.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    build = commands.add_parser("build", help="build a corpus from local sources")
    add = build.add_argument
    add(
        "sources",
        type=Path,
        nargs="+",
        metavar="SOURCE",
        help="wheel, sdist, project folder, site-packages, or folder of archives",
    )
    add("--out", type=Path, required=True, help="folder to write")
    add(
        "--evaluation-data",
        type=Path,
        nargs="+",
        required=True,
        metavar="FILE",
        help="JSON lines or text that must not be in the corpus, gzipped or not",
    )
    add(
        "--held-out-share",
        type=float,
        default=0.02,
        help="share of packages to hold out (default 0.02)",
    )
    add(
        "--near-duplicate-threshold",
        type=float,
        default=0.8,
        help="share of common word runs from which on a file counts as a copy (0.8)",
    )
    add("--shard-mib", type=positive, default=64, help="MiB of text per shard (64)")
    add(
        "--workers",
        type=positive,
        default=read_cpu().usable_processors,
        help="worker processes (default %(default)s)",
    )
    return parser


def _report(options: BuildOptions, manifest: CorpusManifest) -> str:
    lines = [str(options.output)]
    for split in (TRAIN, HELD_OUT):
        totals = manifest.totals(split)
        tokens = totals.characters // _CHARACTERS_PER_TOKEN
        lines.append(
            f"{split:>9}: {totals.packages:,} packages, {totals.files:,} files, "
            f"{totals.characters:,} characters, about {tokens:,} tokens"
        )
    lines += [
        f"  dropped: {count.files:,} files, {count.bytes:,} bytes: {reason}"
        for reason, count in sorted(manifest.dropped.items())
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
