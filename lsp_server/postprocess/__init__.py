"""Turns what the model wrote into a suggestion, or into none, with the reason."""
