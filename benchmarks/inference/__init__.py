"""Benchmarks of the speed of networks."""
