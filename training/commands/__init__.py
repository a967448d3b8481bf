"""The commands of ``midfill`` that need training: ``quantize`` and ``eval``."""
