"""The commands of ``midfill``, one module each."""
