"""Removers: from masked frames to frames without what the masks cover."""
