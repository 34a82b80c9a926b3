"""The speed of networks."""
