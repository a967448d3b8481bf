"""Midfill on a Ray cluster: one engine in each replica of a Ray Serve application."""
