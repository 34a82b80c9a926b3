"""The quality and the speed of removers."""
