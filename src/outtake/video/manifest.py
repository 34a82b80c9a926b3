"""What is already there of an output: the folder of segments beside the target.

``manifest.json`` says which job the segments belong to; each whole segment has a record beside
it, written after the segment itself is on the disk. So any number of processes may write segments
into one folder, and what a kill leaves behind is either whole or not counted.
"""

from __future__ import annotations

import json
import logging
import shutil
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from outtake.errors import OutputError
from outtake.files import finite, replace_text

log = logging.getLogger(__name__)

_MANIFEST = "manifest.json"
_FORMAT = 1

# Says that the target is being made; once that is done there is nothing to go on with.
JOINED = "joined.txt"
DONE = "done\n"


@dataclass(frozen=True, slots=True)
class Record:
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
    """

    index: int
    whole: bool
    width: int
    height: int
    pts: list[int]
    reorder: int
    bytes: int
    crc32: int


class SegmentFolder:
    """The folder in which an output grows.

    Args:
        path: the folder, ``<target>.part``.
        suffix: of segments: that of a file, or empty for folders.
    """

    def __init__(self, path: Path, suffix: str) -> None:
        self.path = path
        self.suffix = suffix

    def start(self, job: Mapping[str, Any], *, resume: bool) -> dict[int, Record]:
        """Make the folder ready for a job.

        Args:
            job: what decides about the frames; segments of another job are deleted.
            resume: whether to keep segments of the same job.

        Returns:
            The whole segments that are there.

        Raises:
            OutputError: the folder holds something else, or can not be written.
        """
        record = {"format": _FORMAT, "job": json.loads(json.dumps(finite(job), default=str))}
        self._check()
        try:
            if self.path.exists():
                if resume and self._continues(record):
                    return self._sweep()
                self.remove()
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"can not write {self.path}: {error.strerror}") from error
        replace_text(self.path / _MANIFEST, json.dumps(record, indent=2) + "\n")
        return {}

    def _check(self) -> None:
        """Refuse to touch a folder that no job of ours made."""
        if not self.path.is_dir() or (self.path / _MANIFEST).exists():
            return
        for entry in self.path.iterdir():
            if not entry.name.startswith(_MANIFEST):
                raise OutputError(
                    f"{self.path} is where segments go, but holds {entry.name}; move it away"
                )

    def _continues(self, record: dict[str, Any]) -> bool:
        try:
            found = json.loads((self.path / _MANIFEST).read_text())
        except (OSError, ValueError):
            return False
        if found == record:
            return True
        changed = _first_difference(found, record)
        log.info("%s: starts afresh, because %s changed", self.path.name, changed)
        return False

    def _sweep(self) -> dict[int, Record]:
        """Return the whole segments, and delete what was not finished."""
        whole = {}
        for file in sorted(self.path.glob("*.json")):
            record = self._read(file) if file.name != _MANIFEST else None
            if record is None or not record.whole:
                continue
            data = self.whole_path(record.index)
            if data.exists() and checksum(data) == (record.bytes, record.crc32):
                whole[record.index] = record
            else:
                log.warning("%s is damaged and is made again", data)
                file.unlink()
        for entry in list(self.path.iterdir()):
            if ".tmp" in entry.name or (entry.stem == "joined" and entry.name != JOINED):
                delete(entry)
        return whole

    def _read(self, file: Path) -> Record | None:
        try:
            return Record(**json.loads(file.read_text()))
        except (OSError, ValueError, TypeError):
            return None

    def whole_path(self, index: int) -> Path:
        """Return where a whole segment lies."""
        return self.path / f"{index:05d}{self.suffix}"

    def tail_path(self, index: int) -> Path:
        """Return where the beginning of a segment lies that was not finished."""
        return self.path / f"{index:05d}.tail{self.suffix}"

    def data_path(self, record: Record) -> Path:
        """Return where the frames of a record lie."""
        return self.whole_path(record.index) if record.whole else self.tail_path(record.index)

    def record(self, index: int, *, whole: bool = True) -> Record | None:
        """Return the record of a segment or tail; None if it is not there."""
        found = self._read(self._record_path(index, whole))
        return found if found and self.data_path(found).exists() else None

    def _record_path(self, index: int, whole: bool) -> Path:
        return self.path / (f"{index:05d}.json" if whole else f"{index:05d}.tail.json")

    def has_whole(self) -> bool:
        """Whether any whole segment is there."""
        files = self.path.glob("*.json")
        records = (self._read(file) for file in files if file.name != _MANIFEST)
        return any(record is not None and record.whole for record in records)

    def add(self, made: Path, record: Record) -> None:
        """Give what was made its place, then say that it is there."""
        place = self.data_path(record)
        delete(place)
        made.rename(place)
        file = self._record_path(record.index, record.whole)
        replace_text(file, json.dumps(asdict(record)) + "\n")
        if record.whole:
            self.forget_tail(record.index)

    def forget_tail(self, index: int) -> None:
        """Delete the unfinished beginning of a segment."""
        self._record_path(index, False).unlink(missing_ok=True)
        delete(self.tail_path(index))

    def used_bytes(self) -> int:
        """Return the size of the segments that are files."""
        return sum(file.stat().st_size for file in self.path.glob(f"*{self.suffix or '/*.png'}"))

    def forget_done(self) -> None:
        """Delete what is left of a job whose target is complete."""
        marker = self.path / JOINED
        if marker.exists() and marker.read_text() == DONE:
            self.remove()

    def remove(self) -> None:
        """Delete the folder with all that is in it, what says that it is done at the end."""
        if self.path.is_dir():
            for entry in self.path.iterdir():
                if entry.name != JOINED:
                    delete(entry)
        delete(self.path)


def checksum(path: Path) -> tuple[int, int]:
    """Return size in bytes and CRC-32 of a file, or of the files in a folder."""
    size = crc = 0
    for file in sorted(path.iterdir()) if path.is_dir() else [path]:
        with file.open("rb") as stream:
            while chunk := stream.read(1 << 20):
                size += len(chunk)
                crc = zlib.crc32(chunk, crc)
    return size, crc


def delete(path: Path) -> None:
    """Delete a file or folder, if it is there."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink(missing_ok=True)


def _first_difference(found: object, wanted: object, name: str = "") -> str:
    if isinstance(found, dict) and isinstance(wanted, dict):
        for key in [*wanted, *found]:
            if found.get(key) != wanted.get(key):
                below = f"{name}.{key}" if name and name != "job" else str(key)
                return _first_difference(found.get(key), wanted.get(key), below)
    return name or "the job"
