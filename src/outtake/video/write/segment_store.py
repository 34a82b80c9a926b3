"""What is already there of an output: the folder of segments beside the target.

``manifest.json`` says which job the segments belong to. Each whole segment has a record beside it,
written after the segment itself is on the disk. So any number of processes may write segments into
one folder, and what a kill leaves behind is either whole or not counted.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import zlib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from outtake.core.errors import OutputError
from outtake.core.file_lock import FolderLock
from outtake.core.files import finite, replace_text

log = logging.getLogger(__name__)

_MANIFEST_FILE = "manifest.json"
_FORMAT = 1

_LOCK_FILE = "lock"
# Says that the target is being made, or is complete: then there is nothing left to resume.
_FINALIZING_FILE = "joined.txt"
_BEGUN, _DONE = "begun", "done"
# Names the playable part beside the target, which is deleted when the target is complete.
_PARTIAL_NAME_FILE = "partial.txt"


@dataclass(frozen=True, slots=True)
class SegmentRecord:
    """A segment that is on the disk.

    Attributes:
        index: The number of the segment in the clip.
        whole: Whether the segment is complete; otherwise it is the tail that an interruption left.
        width: The width of its frames in pixels.
        height: The height of its frames in pixels.
        pts: The time of each frame in the order of showing, in units of the source's time base.
        reorder: The largest number of frames by which a packet comes after its turn.
        bytes: The size of the file or folder.
        crc32: The CRC-32 of its bytes.
        last_frame_duration: How long the clip's last frame is shown, in units of the source's time
            base; None if another frame follows, or the source does not say.
        unchanged: The frames that came out as they were decoded, as ranges ``[first, stop]`` of
            their numbers in the segment; noted only where packets of the source may be copied.
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
    unchanged: list[list[int]] = field(default_factory=list)


class SegmentStore:
    """The folder in which an output grows.

    One process at a time owns it, from :meth:`open` to :meth:`release` or :meth:`remove`; copies
    that were pickled may write into it too.

    Args:
        path: The folder, ``<target>.part``.
        suffix: The suffix of segment files; empty if segments are folders.
    """

    def __init__(self, path: Path, suffix: str) -> None:
        self.path = path
        self.suffix = suffix
        self._lock = FolderLock(path / _LOCK_FILE)
        self._segment_bytes: dict[int, int] = {}
        self._used_bytes = 0

    def open(
        self, job: Mapping[str, Any], *, resume: bool, keep_target: bool = False
    ) -> dict[int, SegmentRecord]:
        """Make the folder ready for a job, and keep other processes from it.

        Args:
            job: Everything that decides about the frames; segments of another job are deleted.
            resume: Whether segments of the same job are kept.
            keep_target: Whether the target exists and only the job that made it may replace it.

        Returns:
            The whole segments that are there.

        Raises:
            OutputError: The folder belongs to another process, holds something else, or cannot be
                written.
        """
        record = {"format": _FORMAT, "job": json.loads(json.dumps(finite(job), default=str))}
        self._check_is_ours()
        self._acquire_lock()
        try:
            found = self._find_whole_segments() if resume and self._is_same_job(record) else None
            if found is None:
                if keep_target and self.is_finalizing():
                    raise OutputError(
                        f"output {self._target} exists; set overwrite=true to replace it"
                    )
                self._clear(all_of_it=False)
                replace_text(self.path / _MANIFEST_FILE, json.dumps(record, indent=2) + "\n")
        except BaseException as error:
            if (self.path / _MANIFEST_FILE).exists():
                self.release()
            else:
                self.remove()
            if isinstance(error, OSError):
                raise OutputError(f"cannot write {self.path}: {error.strerror}") from error
            raise
        for segment in (found or {}).values():
            self._count_bytes(segment)
        return found or {}

    @property
    def _target(self) -> Path:
        return self.path.with_suffix("")

    def _acquire_lock(self) -> None:
        try:
            self._lock.take()
        except BlockingIOError as error:
            raise OutputError(
                f"another process is writing to {self._target}; wait for its end, or name another "
                "output"
            ) from error
        except OSError as error:
            raise OutputError(f"cannot write {self.path}: {error.strerror}") from error

    def release(self) -> None:
        """Let other processes own the folder; calling it twice does no harm."""
        self._lock.release()

    def _check_is_ours(self) -> None:
        """Refuse to touch a folder that no job of Outtake made."""
        if self.path.exists() and not self.path.is_dir():
            raise OutputError(f"{self.path} is where segments go, but is a file; move it away")
        if not self.path.is_dir() or (self.path / _MANIFEST_FILE).exists():
            return
        for entry in self.path.iterdir():
            own = entry.name.startswith(
                (_MANIFEST_FILE, _FINALIZING_FILE, _PARTIAL_NAME_FILE)
            ) or _is_lock_file(entry)
            if not own:
                raise OutputError(
                    f"{self.path} is where segments go, but holds {entry.name}; move it away"
                )

    def _is_same_job(self, record: dict[str, Any]) -> bool:
        try:
            found = json.loads((self.path / _MANIFEST_FILE).read_text())
        except (OSError, ValueError):
            return False
        if found == record:
            return True
        changed = _first_difference(found, record)
        log.info("%s: starts again, because %s changed", self.path.name, changed)
        return False

    def _find_whole_segments(self) -> dict[int, SegmentRecord]:
        """Return the whole segments, and delete what was not finished."""
        whole = {}
        for file in sorted(self.path.glob("*.json")):
            record = self._read_record(file) if file.name != _MANIFEST_FILE else None
            if record is None or not record.whole:
                continue
            data = self.whole_path(record.index)
            if data.exists() and size_and_crc32(data) == (record.bytes, record.crc32):
                whole[record.index] = record
            else:
                log.warning("%s is damaged and is made again", data)
                file.unlink()
        for entry in list(self.path.iterdir()):
            if ".tmp" in entry.name or (entry.stem == "joined" and entry.name != _FINALIZING_FILE):
                delete_path(entry)
        return whole

    def _read_record(self, file: Path) -> SegmentRecord | None:
        try:
            return SegmentRecord(**json.loads(file.read_text()))
        except (OSError, ValueError, TypeError):
            return None

    def whole_path(self, index: int) -> Path:
        """Return the path of a whole segment."""
        return self.path / f"{index:05d}{self.suffix}"

    def tail_path(self, index: int) -> Path:
        """Return the path of the tail that an interruption left of a segment."""
        return self.path / f"{index:05d}.tail{self.suffix}"

    def data_path(self, record: SegmentRecord) -> Path:
        """Return the path of the frames of a record."""
        return self.whole_path(record.index) if record.whole else self.tail_path(record.index)

    def find_record(self, index: int, *, whole: bool = True) -> SegmentRecord | None:
        """Return the record of a segment or tail; None if it is not there."""
        found = self._read_record(self._record_path(index, whole))
        return found if found and self.data_path(found).exists() else None

    def _record_path(self, index: int, whole: bool) -> Path:
        return self.path / (f"{index:05d}.json" if whole else f"{index:05d}.tail.json")

    def has_whole_segment(self) -> bool:
        """Return whether any whole segment is there."""
        files = self.path.glob("*.json")
        records = (self._read_record(file) for file in files if file.name != _MANIFEST_FILE)
        return any(record is not None and record.whole for record in records)

    def add(self, written: Path, record: SegmentRecord) -> None:
        """Move a written segment into its place, then write its record."""
        place = self.data_path(record)
        delete_path(place)
        written.rename(place)
        file = self._record_path(record.index, record.whole)
        replace_text(file, json.dumps(asdict(record)) + "\n")
        if record.whole:
            self._count_bytes(record)
            self.delete_tail(record.index)

    def delete_tail(self, index: int) -> None:
        """Delete the tail that an interruption left of a segment."""
        self._record_path(index, False).unlink(missing_ok=True)
        delete_path(self.tail_path(index))

    def _count_bytes(self, record: SegmentRecord) -> None:
        self._used_bytes += record.bytes - self._segment_bytes.get(record.index, 0)
        self._segment_bytes[record.index] = record.bytes

    def used_bytes(self) -> int:
        """Return the bytes of the whole segments that this process found or wrote."""
        return self._used_bytes

    def save_partial_name(self, name: str) -> None:
        """Save the file name of the playable part, which this job or an earlier one made."""
        replace_text(self.path / _PARTIAL_NAME_FILE, name + "\n")

    def partial_name(self) -> str | None:
        """Return the saved name of the playable part."""
        try:
            return (self.path / _PARTIAL_NAME_FILE).read_text().strip() or None
        except (OSError, ValueError):
            return None

    def mark_finalizing(self) -> None:
        """Mark that the target is about to appear: after a kill, this job may replace it."""
        replace_text(self.path / _FINALIZING_FILE, _BEGUN + "\n")

    def is_finalizing(self) -> bool:
        """Return whether the target may exist already and belong to this job."""
        return (self.path / _FINALIZING_FILE).exists()

    def mark_finalized(self, others: Iterable[SegmentStore]) -> None:
        """Mark that the target is complete and the folders of ``others`` can be deleted too."""
        lines = [_DONE, *(os.path.relpath(other.path, self.path) for other in others)]
        replace_text(self.path / _FINALIZING_FILE, "\n".join(lines) + "\n")

    def delete_finished(self) -> None:
        """Delete what is left of a job whose target is complete.

        Raises:
            OutputError: Another process is using it.
        """
        try:
            lines = (self.path / _FINALIZING_FILE).read_text().splitlines()
        except (OSError, ValueError):
            lines = []
        if lines[:1] != [_DONE] and not self._is_empty():
            return
        self._acquire_lock()
        for other in lines[1:]:
            folder = SegmentStore(Path(os.path.normpath(self.path / other)), self.suffix)
            if folder.is_finalizing() or folder._is_empty():
                folder.remove()
        self.remove()

    def _is_empty(self) -> bool:
        return self.path.is_dir() and all(_is_lock_file(entry) for entry in self.path.iterdir())

    def _clear(self, *, all_of_it: bool = True) -> None:
        """Delete what is in the folder except the lock; the files that say whose it is go last.

        A job that starts again must still delete the playable part that the last one left.
        """
        last = [self.path / _MANIFEST_FILE, self.path / _FINALIZING_FILE]
        kept = {_LOCK_FILE} if all_of_it else {_LOCK_FILE, _PARTIAL_NAME_FILE}
        for entry in self.path.iterdir():
            if entry.name not in kept and entry not in last:
                delete_path(entry)
        for entry in last:
            delete_path(entry)
        self._segment_bytes.clear()
        self._used_bytes = 0

    def remove(self) -> None:
        """Delete the folder with everything in it, and release it."""
        if self.path.is_dir():
            self._clear()
            delete_path(self.path / _LOCK_FILE)
            with suppress(OSError):  # another process may be in it already
                self.path.rmdir()
        self.release()


def _is_lock_file(entry: Path) -> bool:
    return entry.name == _LOCK_FILE and entry.is_file() and entry.stat().st_size == 0


def _first_difference(found: object, expected: object, name: str = "") -> str:
    if isinstance(found, dict) and isinstance(expected, dict):
        for key in [*expected, *found]:
            if found.get(key) != expected.get(key):
                below = f"{name}.{key}" if name and name != "job" else str(key)
                return _first_difference(found.get(key), expected.get(key), below)
    return name or "the job"


def size_and_crc32(path: Path) -> tuple[int, int]:
    """Return the size in bytes and the CRC-32 of a file, or of the files in a folder."""
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
