"""Definitions of the names at a cursor: where they are, and how they are declared."""
