"""What the ``scenes`` source is painted with: hashing, noise, shapes, backdrop, actors, camera.

Everything here gives the same bytes on every machine. Random numbers come from an integer hash,
and arrays see only operations that IEEE 754 or integer arithmetic rounds in one way: no
transcendental functions, no sums whose order depends on the processor.
"""
