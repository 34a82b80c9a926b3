"""What is said about a segment on the disk, and what is done with its file or folder."""

from __future__ import annotations

import shutil
import zlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class SegmentRecord:
    """A segment that is on the disk.

    Attributes:
        index: of the segment in the clip.
        whole: whether it is all that the segment has to hold; otherwise the tail that an
            interruption left.
        width: of its frames.
        height: likewise.
        pts: of each frame in the order of showing, in units of the source's time base.
        reorder: by how many frames a packet may come after its turn.
        bytes: its size.
        crc32: of its bytes.
        last_frame_duration: how long the clip's last frame is shown, in units of the source's time
            base; None where another follows, or the source does not say.
    """

    index: int
    whole: bool
    width: int
    height: int
    pts: list[int]
    reorder: int
    bytes: int
    crc32: int
    last_frame_duration: int | None = None


def size_and_crc32(path: Path) -> tuple[int, int]:
    """Return size in bytes and CRC-32 of a file, or of the files in a folder."""
    size = crc = 0
    for file in sorted(path.iterdir()) if path.is_dir() else [path]:
        with file.open("rb") as stream:
            while chunk := stream.read(1 << 20):
                size += len(chunk)
                crc = zlib.crc32(chunk, crc)
    return size, crc


def delete_path(path: Path) -> None:
    """Delete a file or folder, if it is there."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink(missing_ok=True)
