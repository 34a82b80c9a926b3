"""One clip, from decoding to the finished file."""
