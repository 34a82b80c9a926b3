"""Labels of frames: backends, exported networks, test-time augmentation."""
