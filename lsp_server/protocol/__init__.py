"""The Language Server Protocol: the only layer that knows LSP and JSON.

Below it there is plain data in editor terms. Nothing here imports the engine.
"""
