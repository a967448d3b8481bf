"""Finds snippets of a project ahead of the completions that will read them."""
