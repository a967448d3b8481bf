"""Measures models as users run them: through vLLM, with the server's own prompts."""
