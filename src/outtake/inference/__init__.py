"""From frames to labels: backends, exported networks, test-time augmentation."""
