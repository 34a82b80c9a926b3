"""What has no subject of its own: the types that travel, errors, files, signals, memory."""
