"""The model families that Midfill knows, by the names that manifests give.

A family that is not here is refused: a wrong format gives worse completions than none.
"""

from collections.abc import Mapping
from types import MappingProxyType

from lsp_server.errors import UnsupportedModelError
from lsp_server.prompt.chat_formats import CODEGEEX4, QWEN3_CODER_CHATML
from lsp_server.prompt.fim import FimFamily
from lsp_server.prompt.formats import (
    CODEGEMMA,
    CODELLAMA,
    CODESTRAL,
    DEEPSEEK_CODER,
    DEEPSEEK_CODER_V2,
    GRANITE_4,
    GRANITE_CODE,
    MELLUM,
    MIDFILL,
    QWEN3_CODER,
    QWEN25_CODER,
    SEED_CODER,
    STARCODER2,
)

__all__ = ["FAMILIES", "find_family"]

FAMILIES: Mapping[str, FimFamily] = MappingProxyType(
    {
        family.name: family
        for family in (
            MIDFILL,
            QWEN25_CODER,
            QWEN3_CODER,
            QWEN3_CODER_CHATML,
            STARCODER2,
            GRANITE_CODE,
            GRANITE_4,
            CODELLAMA,
            DEEPSEEK_CODER,
            DEEPSEEK_CODER_V2,
            CODEGEMMA,
            CODESTRAL,
            SEED_CODER,
            MELLUM,
            CODEGEEX4,
        )
    }
)
"""Every family by its name."""


def find_family(name: str) -> FimFamily:
    """Return the family of exactly this name.

    Raises:
        UnsupportedModelError: There is none.
    """
    family = FAMILIES.get(name)
    if family is None:
        raise UnsupportedModelError(
            f"there is no model family {name!r}",
            subject="family in the model's manifest",
            remedy=f"use one of {', '.join(sorted(FAMILIES))}",
        )
    return family
