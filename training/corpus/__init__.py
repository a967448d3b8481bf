"""Makes a training corpus of permissively licensed Python from what lies on disk."""
