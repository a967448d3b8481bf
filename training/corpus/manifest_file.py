"""Writes down what a corpus is made of, and what was left out of it."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from training.corpus.packages import Refusal
from training.corpus.split import HELD_OUT, TRAIN
from training.corpus.values import Dropped, PackageEntry, ShardEntry

__all__ = ["CorpusManifest", "Totals", "render_manifest"]

_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Sums over the packages of one split.

    Attributes:
        packages: Number of packages.
        files: Number of files.
        characters: Number of characters.
    """

    packages: int
    files: int
    characters: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusManifest:
    """Everything that ``manifest.json`` says.

    Attributes:
        parameters: What the command was told, without paths of the machine.
        evaluation_data: SHA-256 of each file of evaluation data, by its name.
        packages: The packages used, by name.
        dropped: Files that were dropped, by reason.
        refused: Sources that were not used at all.
        damaged: Sources that broke off while they were read.
        shards: The files of the corpus.
    """

    parameters: Mapping[str, int | float | tuple[str, ...]]
    evaluation_data: Mapping[str, str]
    packages: tuple[PackageEntry, ...]
    dropped: Mapping[str, Dropped]
    refused: tuple[Refusal, ...]
    damaged: tuple[str, ...]
    shards: tuple[ShardEntry, ...]

    def totals(self, split: str) -> Totals:
        """Sum up the packages of one split."""
        of_split = [entry for entry in self.packages if entry.split == split]
        return Totals(
            packages=len(of_split),
            files=sum(entry.files for entry in of_split),
            characters=sum(entry.characters for entry in of_split),
        )


def render_manifest(manifest: CorpusManifest) -> str:
    """Render the manifest as JSON, the same for the same corpus."""
    refused: dict[str, list[str]] = {}
    for refusal in manifest.refused:
        refused.setdefault(refusal.reason, []).append(refusal.source)
    content = {
        "format": _VERSION,
        "parameters": dict(manifest.parameters),
        "evaluation_data": dict(manifest.evaluation_data),
        "totals": {
            split: asdict(manifest.totals(split)) for split in (TRAIN, HELD_OUT)
        },
        "dropped_files": {
            reason: asdict(count) for reason, count in sorted(manifest.dropped.items())
        },
        "refused_sources": refused,
        "damaged_sources": sorted(manifest.damaged),
        "shards": [asdict(entry) for entry in manifest.shards],
        "packages": [asdict(entry) for entry in manifest.packages],
    }
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"
