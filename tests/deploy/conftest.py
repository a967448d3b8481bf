"""Lets the tests of deploy/ import what starts servers and what obtains tools."""

import sys
from pathlib import Path

for folder in ("servers", "editors"):
    sys.path.insert(0, str(Path(__file__).parents[1] / folder))
