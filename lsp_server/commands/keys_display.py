"""The table of ``midfill keys list``, without secrets."""

from collections.abc import Iterator, Sequence

from lsp_server.access.keys import StoredKey

__all__ = ["key_lines"]


def key_lines(keys: Sequence[StoredKey], *, now_s: float) -> Iterator[str]:
    """Yield the lines of the table.

    Args:
        keys: The keys, in their order.
        now_s: The time of day in seconds, which tells what has expired.
    """
    yield f"{'id':12} {'name':24} {'made':20} {'state':28} may use"
    for stored in keys:
        yield (
            f"{stored.id:12} {stored.name:24} {stored.created:20} "
            f"{_state(stored, now_s):28} {_permissions(stored)}"
        )


def _state(stored: StoredKey, now_s: float) -> str:
    """Return whether a key is valid, and until when."""
    if stored.revoked:
        return f"revoked {stored.revoked}"
    if not stored.expires:
        return "valid"
    return f"{'until' if now_s < stored.ends_s else 'expired'} {stored.expires}"


def _permissions(stored: StoredKey) -> str:
    """Return in a few words what a key may use."""
    numbers = (
        (stored.requests_per_s, "{:g}/s"),
        (stored.burst, "{:,} at once"),
        (stored.concurrent, "{:,} side by side"),
        (stored.tokens_per_day, "{:,} tokens/day"),
    )
    words = [text.format(number) for number, text in numbers if number]
    words += [route.value for route in stored.routes]
    words += [f"model {name}" for name in stored.models]
    return ", ".join(words + ["raw"] * stored.raw) or "everything"
