"""Chooses what around the cursor is worth the model's tokens."""
