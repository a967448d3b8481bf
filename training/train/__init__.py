"""Trains Midfill's own models: from a corpus to a checkpoint folder."""
