"""Sweeps under faults."""
