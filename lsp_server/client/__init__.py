"""A headless editor: starts a server as an editor does, and asks for completions."""
