"""Reading clips: files, streams, image sequences."""
