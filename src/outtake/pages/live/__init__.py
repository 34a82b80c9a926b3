"""Runs as they are while they train, and the page that shows them."""
