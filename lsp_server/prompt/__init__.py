"""Turns a cursor and a token budget into what the model reads, and back into text."""
