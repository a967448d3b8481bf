"""Examines a machine: can Midfill complete code here, and if not, what to do."""
