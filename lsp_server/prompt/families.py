"""The model families that Midfill knows, each as its makers describe it.

What could not be checked against the makers' own words says so. A family that is
not here is refused: a wrong format gives worse completions than none.
"""

from collections.abc import Mapping
from types import MappingProxyType

from lsp_server.errors import UnsupportedModelError
from lsp_server.prompt.fim import FimFamily, Sentinel, Slot

__all__ = ["FAMILIES", "find_family"]

MIDFILL = FimFamily(
    name="midfill",
    order=(
        Sentinel("<|endoftext|>"),
        Slot.SNIPPETS,
        Sentinel("<|fim_prefix|>"),
        Sentinel("<|fim_suffix|>"),
        Slot.SUFFIX,
        Sentinel("<|fim_middle|>"),
        Slot.PREFIX,
    ),
    stop_tokens=("<|endoftext|>",),
)

FAMILIES: Mapping[str, FimFamily] = MappingProxyType(
    {family.name: family for family in (MIDFILL,)}
)
"""Every family by its name."""


def find_family(name: str) -> FimFamily:
    """Give the family of exactly this name.

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
