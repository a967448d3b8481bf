"""What may be read, sent to the model and shown: ignore rules, secrets, Unicode."""
