"""Builds a training corpus of permissively licensed Python from local sources."""
