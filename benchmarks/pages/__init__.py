"""Pages of many runs."""
