"""What identifies an input: a digest of its bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from outtake.core.errors import VideoError


def sha256_of_input(path: Path) -> str:
    """Return the SHA-256 of a file's content, read piece by piece.

    Raises:
        VideoError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise VideoError(f"cannot read {path}: {error.strerror}") from error


def sha256_of_images(paths: Iterable[Path]) -> str:
    """Return the SHA-256 over name and content of files, in their order.

    Raises:
        VideoError: one cannot be read.
    """
    return sha256_of_text("\n".join(f"{sha256_of_input(path)} {path.name}" for path in paths))


def sha256_of_text(text: str) -> str:
    """Return the SHA-256 of a text."""
    return hashlib.sha256(text.encode()).hexdigest()
