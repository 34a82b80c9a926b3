"""Data sets: sources of labelled images, their verification, and the loaders made of them.

Nothing is imported here, so that naming one source does not load what the others need.
"""
