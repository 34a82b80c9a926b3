"""Watch the size of an output and the free disk space while it grows."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

from outtake.core.errors import OutputError
from outtake.video.read.probe import VideoInfo

log = logging.getLogger(__name__)

_MIN_FRAMES = 50


class SizeGuard:
    """Warns once of an output much larger than its source, and of a disk that is too small.

    Args:
        info: The source.
        target: The output.
        max_ratio: The multiple of the source's bytes per second above which there is a warning.
        min_bytes: The size up to which an output is never too large.
    """

    def __init__(
        self, info: VideoInfo, target: Path, *, max_ratio: float = 4, min_bytes: float = 64e6
    ) -> None:
        self._info = info
        self._target = target
        self._max_ratio = max_ratio
        self._min_bytes = min_bytes
        self._frames = 0
        self._bytes = 0
        self._warned_size = False
        self._warned_disk = False

    def add_segment(self, frames: int, size: int, used_bytes: int) -> None:
        """Add a segment to the estimate.

        Args:
            frames: The number of frames in the segment.
            size: The size of the segment in bytes.
            used_bytes: The size of all segments on the disk in bytes.

        Raises:
            OutputError: By the estimate, not even half of what is missing fits on the disk.
        """
        self._frames += frames
        self._bytes += size
        if self._frames < _MIN_FRAMES:
            return
        per_frame = self._bytes / self._frames
        total = max(per_frame * (self._info.frames or 0), used_bytes)
        self._check_size(per_frame, total)
        if self._info.frames:
            self._check_disk(2 * total - used_bytes, total)  # the segments, then the joined file

    def _check_size(self, per_frame: float, total: float) -> None:
        source = _source_bytes_per_s(self._info)
        rate = per_frame * float(self._info.fps)
        if self._warned_size or not source or total < self._min_bytes:
            return
        if rate > self._max_ratio * source:
            self._warned_size = True
            log.warning(
                "%s grows to about %s, %.0f times its source; a higher crf or another codec makes "
                "it smaller", self._target.name, _format_bytes(total), rate / source,
            )  # fmt: skip

    def _check_disk(self, needed: float, total: float) -> None:
        folder = self._target.absolute().parent
        free = shutil.disk_usage(folder).free
        if free >= needed:
            return
        text = (
            f"{self._target.name} will take about {_format_bytes(total)}, and "
            f"{_format_bytes(needed)} on the way there, but {_format_bytes(free)} are free in "
            f"{folder}"
        )
        if free < needed / 2:
            raise OutputError(
                f"{text}; make room, then run again with job.resume=true to resume from here"
            )
        if not self._warned_disk:
            self._warned_disk = True
            log.warning("%s", text)


def _source_bytes_per_s(info: VideoInfo) -> float | None:
    part = info.start_s is not None or info.end_s is not None
    if part or info.live or not info.duration_s or not info.path.is_file():
        return None
    return info.path.stat().st_size / info.duration_s


def _format_bytes(size: float) -> str:
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
