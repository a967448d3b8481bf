"""Trains Midfill's own models: from a corpus of source code to a checkpoint folder."""
