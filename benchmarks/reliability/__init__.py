"""Proofs: kills, faults, hostile inputs."""
