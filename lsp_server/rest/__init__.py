"""The REST API: OpenAI's completions, llama.cpp's infill, and what a server needs."""
