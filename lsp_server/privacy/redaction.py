"""Replaces the secrets in a text by the names of their kinds."""

import re

from lsp_server.privacy.secret_finder import SecretFinder

__all__ = ["redacted"]

_MARKS = re.compile(r"\W+")
_LEAST_CHARS = 16
"""A secret of this length is replaced wherever it stands, not where it was found alone:
a shorter one may be a word."""


def redacted(text: str, finder: SecretFinder, *, path: str = "") -> str:
    """Return a text with a placeholder such as ``<AWS_ACCESS_KEY>`` for each secret.

    Its lines stay where they are. The placeholder names the kind alone, so the same
    secret always becomes the same one, and nothing of it can be guessed.

    Args:
        text: The text.
        finder: Finds the secrets.
        path: The file's name.
    """
    parts: list[str] = []
    at = 0
    placeholders: dict[str, str] = {}
    for span in finder.find(text, path=path):
        placeholder = f"<{_MARKS.sub('_', span.kind).strip('_').upper()}>"
        parts += text[at : span.start], placeholder
        at = span.end
        if span.end - span.start >= _LEAST_CHARS:
            placeholders[text[span.start : span.end]] = placeholder
    if not parts:
        return text
    result = "".join((*parts, text[at:]))
    for secret in sorted(placeholders, key=len, reverse=True):
        result = result.replace(secret, placeholders[secret])
    return result
