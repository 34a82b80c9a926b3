"""Networks: normalised ``(B, C, H, W)`` images to ``(B, classes, H, W)`` logits, any size."""
