"""Where frames go: segments, and the finished file in one step.

An output grows in the folder ``<name>.part`` beside its target, in segments that are whole or not
there. An interrupted job resumes from them. Joining them copies packets, so that the result is
the same frame by frame. The target appears when everything is in it.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from outtake.core.errors import OutputError
from outtake.core.files import fsync_path
from outtake.video.read.probe import VideoInfo
from outtake.video.write.concat import SegmentMuxer
from outtake.video.write.disk_guard import SizeGuard
from outtake.video.write.image_folder import link_sequence, sequence_names
from outtake.video.write.output_checks import (
    unused_partial_path,
    would_overwrite,
)
from outtake.video.write.segment_encoder import SegmentWriter
from outtake.video.write.segment_store import SegmentRecord, SegmentStore, delete_path

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PartialOutput:
    """The playable part that an interrupted job left.

    Attributes:
        path: The file, or the folder of images.
        frames: The number of frames in it.
        seconds: How long they last.
    """

    path: Path
    frames: int
    seconds: float


class Output:
    """An output that grows in segments; made by ``open_output``.

    It can be sent to other processes, which may write segments at the same time. The process that
    opened it keeps others from opening it too, until :meth:`finish`, :meth:`discard` or
    :meth:`release`.

    Attributes:
        path: The target.
        info: The source.
        complete_segments: Indices of the whole segments that an interrupted job left.
        copied_frames: How many frames of the finished file are copied from the source's packets.
    """

    def __init__(
        self,
        path: Path,
        info: VideoInfo,
        *,
        channels: int,
        muxer: SegmentMuxer | None,
        store: SegmentStore,
        records: Mapping[int, SegmentRecord],
        input_paths: Sequence[Path] = (),
        image_codec: str = "",
    ) -> None:
        self.path = path
        self.info = info
        self.complete_segments = tuple(sorted(records))
        self._frames = {index: len(record.pts) for index, record in records.items()}
        self._input_paths = (info.path, *input_paths)
        self._channels = channels
        self._muxer, self._image_codec = muxer, image_codec
        self._store = store
        self._size_guard = SizeGuard(info, path)
        self.copied_frames = 0

    @property
    def segment_folder(self) -> Path:
        """The folder in which the output grows; other files of a segment may lie there too."""
        return self._store.path

    def has_segments(self) -> bool:
        """Return whether there is a whole segment from which a later run can resume."""
        return self._store.has_whole_segment()

    @property
    def high_bit_depth(self) -> bool:
        """Whether more than 8 bits per component are stored."""
        stored = self._muxer.encoding.bit_depth if self._muxer else 16
        return min(stored, self.info.bit_depth) > 8

    def frame_count(self, index: int) -> int:
        """Return the number of frames of a whole segment; 0 if it is not there."""
        if index not in self._frames:
            record = self._store.find_record(index)
            if record is None:
                return 0
            self._frames[index] = len(record.pts)  # what is whole stays as it is
        return self._frames[index]

    def open_segment(self, index: int) -> SegmentWriter:
        """Return the sink for a segment; enter it, write the frames, leave it.

        Left without an error, the segment is on the disk and counts. Left with an error, it does
        not; what was written of it goes into the playable part that :meth:`salvage` makes.
        """
        return SegmentWriter(
            self._store,
            index,
            self.path,
            self.info,
            encoding=self._muxer.encoding if self._muxer else self._image_codec,
            channels=self._channels,
            on_done=self._on_segment_written,
            copy_plan=self._muxer.copy_plan if self._muxer else None,
        )

    def _on_segment_written(self, record: SegmentRecord) -> None:
        size = record.bytes + self._estimate_copied_bytes(record)
        self._size_guard.add_segment(len(record.pts), size, self._store.used_bytes())

    def _estimate_copied_bytes(self, record: SegmentRecord) -> int:
        """Return about what the packets take that are copied when the segments are joined."""
        if self._muxer is None or self._muxer.copy_plan is None:
            return 0
        frames = sum(stop - first for first, stop in record.unchanged)
        return round(frames * self._muxer.copy_plan.bytes_per_frame)

    def finish(self, segments: int) -> int:
        """Join segments 0 to ``segments - 1`` into the target, and delete them.

        Returns:
            The number of frames.

        Raises:
            OutputError: A segment is missing, or the target cannot be written; segments stay.
        """
        return finish_outputs([self], segments)

    def salvage(self) -> PartialOutput | None:
        """Make a playable file of what is there, after an interruption.

        It holds the whole segments from the beginning on, the unfinished tail of the next one,
        and the audio up to there. Segments stay for ``resume``.

        Returns:
            What was kept, in ``<stem>.partial<suffix>``; None if there is nothing, or no room.
        """
        records: list[SegmentRecord] = []
        while record := self._store.find_record(len(records)):
            records.append(record)
        tail = self._store.find_record(len(records), whole=False)
        if tail:
            records.append(tail)
        if not records:
            return None
        try:
            made = self._join(records, end=False)
            path = self._earlier_partial_path() or unused_partial_path(self.path)
            self._store.save_partial_name(path.name)
            self._move_into_place(path)
        except OutputError as error:
            delete_path(self._joined_path)  # it takes room on a disk that may be full
            log.warning("no playable part could be made: %s", error)
            return None
        return PartialOutput(path, *made)

    def _earlier_partial_path(self) -> Path | None:
        """Return the path of the playable part that was made before, unless it is read now."""
        name = self._store.partial_name()
        if name is None or Path(name).name != name:
            return None
        path = self.path.with_name(name)
        return None if any(would_overwrite(path, read) for read in self._input_paths) else path

    def discard(self) -> None:
        """Delete what was written; the target stays as it was.

        That includes whole segments that an earlier run left: see :meth:`has_segments`.
        """
        self._store.remove()

    def release(self) -> None:
        """Let other processes open the output; segments stay. Calling it twice does no harm."""
        self._store.release()

    @property
    def _joined_path(self) -> Path:
        return self._store.path / f"joined{self.path.suffix}"

    def _complete_records(self, segments: int) -> list[SegmentRecord]:
        """Return the records of all segments from the disk."""
        records = [self._store.find_record(index) for index in range(segments)]
        missing = [str(index) for index, record in enumerate(records) if record is None]
        if missing or not records:
            shown = ", ".join(missing[:8]) + (", ..." if len(missing) > 8 else "")
            raise OutputError(
                f"{self.path} is not complete: {len(missing)} of {segments} segments are missing "
                f"({shown}); run again with job.resume=true to make them"
            )
        return [record for record in records if record]

    def _join(self, records: Sequence[SegmentRecord], *, end: bool) -> tuple[int, float]:
        """Join segments, still in the folder; return the frames and their seconds."""
        sizes = {(record.width, record.height) for record in records}
        if len(sizes) > 1:
            raise OutputError(
                f"{self.path}: its segments have sizes {sorted(sizes)}; run again with "
                "job.resume=false"
            )
        pieces = [(self._store.data_path(record), record) for record in records]
        with self._translate_errors(self.path):
            if self._muxer:
                made = self._muxer.join(pieces, self._joined_path, end=end)
                self.copied_frames = self._muxer.count_copied_frames(records)
            else:
                numbered = [(file, record.pts) for file, record in pieces]
                names = sequence_names(self.info.images, self._image_codec)
                link_sequence(numbered, self._joined_path, names)
                made = _frames_and_seconds(records, self.info)
            fsync_path(self._joined_path)
        return made

    def _move_into_place(self, path: Path) -> None:
        """Give the joined file or folder its name."""
        with self._translate_errors(path):
            if path.is_dir():
                delete_path(path)
            os.replace(self._joined_path, path)
            fsync_path(path.parent)

    @contextmanager
    def _translate_errors(self, path: Path) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            delete_path(self._joined_path)
            raise OutputError(f"cannot write {path}: {error.strerror or error}") from error


def finish_outputs(outputs: Sequence[Output], segments: int) -> int:
    """Finish outputs that belong together: their targets appear when all can, then segments go.

    After a kill at any moment, either the same command resumes from the segments of each output,
    or all targets are complete.

    Args:
        outputs: Outputs with the same segments; the first is the one that is opened first.
        segments: The number of segments of each.

    Returns:
        The number of frames.

    Raises:
        OutputError: A segment is missing, or a target cannot be written; segments stay.
    """
    records = [output._complete_records(segments) for output in outputs]
    try:
        made = [output._join(kept, end=True) for output, kept in zip(outputs, records, strict=True)]
        for output in outputs:
            output._store.mark_finalizing()
        for output in outputs:
            output._move_into_place(output.path)
    except OutputError:
        for output in outputs:
            delete_path(output._joined_path)  # makes room for a playable part
        raise
    first, *others = outputs
    first._store.mark_finalized([output._store for output in others])
    for output in [*others, first]:
        earlier = output._earlier_partial_path()
        if earlier:
            delete_path(earlier)
        output._store.remove()
        output.release()
    return made[0][0]


def _frames_and_seconds(records: Sequence[SegmentRecord], info: VideoInfo) -> tuple[int, float]:
    frames = sum(len(record.pts) for record in records)
    last, first = records[-1].pts[-1], records[0].pts[0]
    hold = records[-1].last_frame_duration
    held_s = hold * info.time_base if hold else 1 / info.fps
    return frames, float((last - first) * info.time_base + held_s)
