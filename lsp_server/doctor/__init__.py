"""Checks whether Midfill can complete code on this machine, and what to do if not."""
