"""Lets the tests of deploy/ import the servers that they start."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "servers"))
