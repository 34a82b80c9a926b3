"""The rendered street: scenes with labels and true backgrounds."""
