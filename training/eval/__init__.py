"""Measures how well models complete code.

Raises:
    UnavailableError: A library of the extra ``training`` is not installed.
"""

import importlib.util

from lsp_server.errors import UnavailableError

for _library in ("matplotlib", "rapidfuzz"):
    if importlib.util.find_spec(_library) is None:
        raise UnavailableError(
            "it is needed to measure models, and is not installed",
            subject=_library,
            remedy="Run `make install-training` in Midfill's repository",
        )
