"""Training: throughput, determinism, several processes."""
