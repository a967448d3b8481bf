"""Says what a language is, and scans text for what a place in it belongs to."""
