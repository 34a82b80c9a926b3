"""Sweeps: a search over Hydra overrides, one process for each trial."""
