"""Who may use a server that listens: API keys, limits, access log, hosts and origins.

Nothing here knows HTTP, websockets or LSP: callers pass header values, and map the
errors to their own wire format.
"""
