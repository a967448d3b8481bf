"""``python -m training.describe``: writes what was measured into a model's manifest.

How sure the model has to be, and which features gain nothing with it, is known only
after it was quantised. The files of the folder stay as they are.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from lsp_server.config import Config
from lsp_server.errors import MidfillError, TrainingError
from lsp_server.modelstore.manifest import (
    SIGNATURE_NAME,
    ConfidenceLevels,
    Manifest,
    load_manifest,
    write_manifest,
)
from lsp_server.modelstore.verify import verify
from lsp_server.setting_layers import SECTIONS

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit status."""
    options = _parser().parse_args(arguments)
    try:
        manifest = load_manifest(options.model)
        verify(options.model, manifest)
        if (options.model / SIGNATURE_NAME).exists():
            raise TrainingError(
                "the manifest is signed, and would not be as it was signed",
                subject=str(options.model),
                remedy=f"Remove {SIGNATURE_NAME}, and sign again afterwards",
            )
        write_manifest(options.model, _described(manifest, options))
    except MidfillError as exc:
        print(f"error: {exc}", file=sys.stderr)
        return 1
    print(f"{options.model}: the manifest is written")
    return 0


def _described(manifest: Manifest, options: argparse.Namespace) -> Manifest:
    """Return the manifest with what the options say in place of what it said."""
    provenance = replace(
        manifest.provenance,
        source=options.source or manifest.provenance.source,
        training=options.training or manifest.provenance.training,
    )
    return replace(
        manifest,
        provenance=provenance,
        licence=options.licence or manifest.licence,
        confidence={**manifest.confidence, **dict(map(_levels, options.confidence))},
        off_by_default=tuple(map(_switch, options.off_by_default))
        if options.off_by_default is not None
        else manifest.off_by_default,
    )


def _levels(text: str) -> tuple[str, ConfidenceLevels]:
    """Parse ``LANGUAGE=LOW,NORMAL,HIGH``."""
    language_id, _, numbers = text.partition("=")
    try:
        low, normal, high = map(float, numbers.split(","))
    except ValueError as exc:
        raise TrainingError(
            "these are not three numbers for a language",
            subject=repr(text),
            remedy="Write them as in --confidence python=0.7,0.5,0.25",
        ) from exc
    return language_id, ConfidenceLevels(low=low, normal=normal, high=high)


def _switch(name: str) -> str:
    section, _, key = name.partition(".")
    settings = getattr(Config(), section) if section in SECTIONS else None
    if not isinstance(getattr(settings, key, None), bool):
        raise TrainingError(
            "there is no such switch among the settings",
            subject=repr(name),
            remedy="Name one of docs/settings.md, such as context.enabled",
        )
    return name


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training.describe",
        description="Write what was measured of a model into its manifest.",
    )
    add = parser.add_argument
    add("model", type=Path, help="folder of the quantised model")
    add(
        "--confidence",
        action="append",
        default=[],
        metavar="LANGUAGE=LOW,NORMAL,HIGH",
        help="floors that benchmarks.calibration found; repeatable",
    )
    add(
        "--off-by-default",
        nargs="*",
        metavar="SETTING",
        help="switches that gain nothing with the model, such as context.enabled",
    )
    add("--source", help="what the 16-bit checkpoint is called")
    add("--training", help="how it was trained")
    add("--licence", help="licence of the weights")
    return parser


if __name__ == "__main__":
    sys.exit(main())
