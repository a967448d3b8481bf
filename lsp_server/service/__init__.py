"""From a snapshot to completions."""
