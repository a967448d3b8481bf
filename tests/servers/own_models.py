"""The shipped model's weights and tokenizer with the prompts of each own family."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lsp_server.config import SHIPPED_MODEL, ModelConfig
from lsp_server.modelstore.locate import locate
from lsp_server.modelstore.manifest import load_manifest, write_manifest

OWN_FILLS: Mapping[str, str] = {
    "midfill": (
        "<|endoftext|><|fim_prefix|><|fim_suffix|>{suffix}<|fim_middle|>{prefix}"
    ),
    "midfill-marked-cursor": (
        "<|endoftext|><|fim_suffix|>{suffix}<|fim_prefix|>{prefix}<|fim_middle|>"
    ),
}
"""The prompt of each family of Midfill's own models, without other files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnModel:
    """A model of one of Midfill's own families.

    Attributes:
        family: The family's name.
        folder: Where it lies.
    """

    family: str
    folder: Path

    @property
    def setting(self) -> ModelConfig:
        """The setting that names it."""
        return ModelConfig(path=str(self.folder))

    def fill(self, prefix: str, suffix: str) -> str:
        """Return the prompt of a gap between two texts, control tokens spelt."""
        return OWN_FILLS[self.family].format(prefix=prefix, suffix=suffix)


def shipped_model() -> OwnModel:
    """Return the model that ships."""
    folder = locate(SHIPPED_MODEL)
    return OwnModel(family=load_manifest(folder).family, folder=folder)


def like_the_shipped(parent: Path, **changes: Any) -> Path:  # noqa: ANN401  whatever a manifest holds
    """Copy the shipped model, with some values of its manifest changed."""
    folder = Path(shutil.copytree(locate(SHIPPED_MODEL), parent / SHIPPED_MODEL))
    write_manifest(folder, replace(load_manifest(folder), **changes))
    return folder
