"""Midfill: fill-in-the-middle code completion over the Language Server Protocol."""
