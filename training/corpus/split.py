"""Divides packages into those to train on and those to judge by."""

import hashlib

__all__ = ["HELD_OUT", "TRAIN", "split_of"]

TRAIN = "train"
HELD_OUT = "held-out"


def split_of(package: str, *, held_out_share: float) -> str:
    """Give the side of a package, by its name alone.

    All versions are on one side, on every machine and whatever other packages there
    are; a greater share moves packages to the held-out side and none back.

    Args:
        package: Canonical name.
        held_out_share: Share of packages to hold out, from 0 to 1.
    """
    digest = hashlib.sha256(package.encode()).digest()
    place = int.from_bytes(digest[:8], "big") / 2**64
    return HELD_OUT if place < held_out_share else TRAIN
