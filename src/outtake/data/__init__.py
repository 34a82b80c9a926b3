"""Data sets: sources of labelled images, their verification, and the loaders made of them."""
