"""Model folders: their manifest, the check of their files, and how they are fetched."""
