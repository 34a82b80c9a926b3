"""Writing clips: codecs, segments, and the finished file."""
