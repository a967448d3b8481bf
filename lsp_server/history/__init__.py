"""The user's own record of requests and suggestions, on this machine alone."""
