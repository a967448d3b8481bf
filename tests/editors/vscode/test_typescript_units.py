"""The extension's own unit tests, which need Node.js and no window."""

import re

import pytest
from obtain.record import ROOT
from vscode.packaged import install_node_modules, npm, one_at_a_time

pytestmark = pytest.mark.editor


@pytest.mark.usefixtures("editors")
def test_units() -> None:
    """Every test of editors/vscode/test holds."""
    with one_at_a_time(ROOT):
        install_node_modules(ROOT)
    output = npm(ROOT, "test", cwd=ROOT / "editors" / "vscode")
    counted = re.search(r"^. pass (\d+)$", output, re.MULTILINE)
    assert counted, output
    assert int(counted[1]) > 70
