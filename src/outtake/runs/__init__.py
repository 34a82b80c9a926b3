"""What a run leaves: its folder, its environment, its metrics."""
