"""Which addresses a model may be fetched from."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from lsp_server.errors import PullError

__all__ = ["AllowList"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowList:
    """The places that may be asked, redirects included.

    Attributes:
        places: Each a host, by https alone; ``*.`` and a host for those below it; an
            origin such as ``http://localhost:8080``, for exactly that one; or a
            bucket such as ``s3://models``, whose store must be listed too.
    """

    places: Sequence[str]

    def require(self, address: str) -> None:
        """Let an allowed address pass.

        Raises:
            PullError: It is not on the list.
        """
        parts = urlsplit(address)
        host, origin = parts.hostname or "", f"{parts.scheme}://{parts.netloc}"
        for place in self.places:
            if "://" in place:
                if origin == place.rstrip("/"):
                    return
            elif parts.scheme == "https" and _is_host(host, place):
                return
        raise PullError(
            "this source is not on the list of allowed ones",
            # An address may hold a password, which is nobody's to read.
            subject=f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}",
            remedy="Add it to the setting registry.sources if you trust it; "
            f"allowed are {', '.join(self.places) or 'none'}",
        )


def _is_host(host: str, place: str) -> bool:
    if place.startswith("*."):
        return host.endswith(place[1:])
    return host == place
