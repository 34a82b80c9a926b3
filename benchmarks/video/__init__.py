"""Videos from file to file."""
