"""Masks of a whole clip from a few labelled frames."""
