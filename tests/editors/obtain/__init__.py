"""Obtains the editors that the tests drive, into ``.editors/`` of the checkout.

``python -m obtain [NAME ...]``, with ``tests/editors`` on the module path, obtains what
is named, or everything. Each editor becomes a program ``.editors/bin/NAME`` and a
record ``.editors/records/NAME.json`` with its version and the checksums of what was
downloaded. What cannot be had leaves a record with the reason, which the tests that
need it give as the reason of their skip.
"""
