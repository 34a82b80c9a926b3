"""The checkpoints that a config names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


def checkpoint_paths(checkpoint: str | Sequence[str]) -> list[Path]:
    """Return the files or folders that a config names as checkpoints."""
    named = [checkpoint] if isinstance(checkpoint, str) else checkpoint
    return [Path(name).expanduser() for name in named]
