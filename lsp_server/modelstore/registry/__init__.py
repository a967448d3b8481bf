"""The registry of models: which there are, which fit, and how they are pulled."""
