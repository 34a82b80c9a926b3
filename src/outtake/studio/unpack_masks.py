"""Masks in a zip file of unknown origin, written out under names of our own.

Of the path of an entry only its last part is used, and only to find the frame. What an entry says
of its size is not believed: it is read up to a limit.
"""

from __future__ import annotations

import stat
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from outtake.core.errors import ConfigError, OutputError
from outtake.core.printable_text import to_printable
from outtake.labelled_video.project_folder import (
    CLASS_FILE,
    MASK_FOLDER,
    PROJECT_FILE,
    find_set_of_masks,
    ignores_255,
)

MAX_ENTRIES = 100_000
SUFFIXES = (".png", ".json")
_MAX_RECORDS_BYTES = 64 << 20
_END, _END_BYTES, _MAX_COMMENT = b"PK\x05\x06", 22, 1 << 16
_ZIP64_LOCATOR = b"PK\x06\x07"
_MAX_JSON_BYTES = 32 << 20
_MAX_NAME_CHARS = 200
_BLOCK = 1 << 20
_IGNORED = ("__MACOSX", ".DS_Store", "Thumbs.db")
_MAX_CLASS_FILE_BYTES = 64 << 10
_PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


@dataclass(frozen=True)
class NamedFile:
    """A file with the name that it came under.

    Attributes:
        name: The name without a path, printable.
        path: Where it is.
    """

    name: str
    path: Path


@dataclass
class ReceivedFiles:
    """The files that may be masks, and what was left out.

    Attributes:
        files: Those that may be.
        problems: One line for each that cannot be used.
        others: How many of other kinds there are, by their ending.
        are_labels: Whether it is known that 255 is unlabelled: masks of a training set that says
            so, or of a project.
        are_numbered: Whether the names are the numbers of frames from 0, as those of a project.
        notes: One line for each thing that was decided.
    """

    files: list[NamedFile] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)
    are_labels: bool = False
    are_numbered: bool = False
    notes: list[str] = field(default_factory=list)


def unpack_zip(
    archive: Path, folder: Path, size: tuple[int, int], limit_bytes: int
) -> ReceivedFiles:
    """Write the PNG and JSON files of a zip into a folder, each under a number.

    Of a training set or a project only its masks are taken.

    Args:
        archive: The zip.
        folder: An empty folder.
        size: The height and width of the frames, which bound what a mask can hold.
        limit_bytes: How much all of them may hold.

    Raises:
        ConfigError: It is no zip, is damaged, or holds too much.
        OutputError: The folder cannot be written.
    """
    found = ReceivedFiles()
    try:
        _check_directory(archive)
        with zipfile.ZipFile(archive) as opened:
            left = limit_bytes
            entries = [each for each in opened.infolist() if not each.is_dir()]
            sets = {each[:-3] for each in map(_parts, entries) if _is_mask_of_set(each)}
            if sets:
                _read_marks(opened, entries, sets, folder, found)
                masks = [each for each in entries if _is_mask_of_set(_parts(each))]
                found.notes.append(_say_left_out(len(entries) - len(masks)))
                entries = masks
            for place, entry in enumerate(entries):
                left -= _unpack_entry(opened, entry, place, folder, size, left, found)
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError) as error:
        raise ConfigError(f"the zip cannot be read: {error}") from error
    return found


def list_folder(folder: Path, size: tuple[int, int]) -> ReceivedFiles:
    """Return the PNG and JSON files of a folder; those in folders below it are left out.

    Of a training set or a project its masks are meant.
    """
    found = ReceivedFiles()
    below = folder / MASK_FOLDER
    if below.is_dir() and not below.is_symlink() and not below.parent.is_symlink():
        folder = below
        found.notes.append(_say_left_out(None))
    root = find_set_of_masks(folder)
    if root is not None:
        found.are_numbered = (root / PROJECT_FILE).is_file()
        found.are_labels = found.are_numbered or _ignores_255(root / CLASS_FILE, found)
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise ConfigError(f"{folder}: cannot be read ({error.strerror})") from error
    for path in entries[: MAX_ENTRIES + 1]:
        name = _shown_name(path.name)
        if _is_ignored(path.parts[-1:]) or path.is_dir():
            continue
        # A link may lead to where nobody has allowed anything to be read.
        if path.is_symlink() or not path.is_file():
            found.problems.append(f"{name}: is a link, and is left out")
        elif _may_be_mask(name, path.stat().st_size, size, found):
            found.files.append(NamedFile(name, path))
    if len(entries) > MAX_ENTRIES:
        raise ConfigError(f"{folder}: holds more than {MAX_ENTRIES} files")
    return found


def _parts(entry: zipfile.ZipInfo) -> tuple[str, ...]:
    return PurePosixPath(entry.filename.replace("\\", "/")).parts


def _is_mask_of_set(parts: tuple[str, ...]) -> bool:
    """Return whether an entry is a mask of a training set, by the folders in which it lies."""
    return parts[-3:-1] == MASK_FOLDER.parts and not _is_ignored(parts)


def _read_marks(
    opened: zipfile.ZipFile,
    entries: Iterable[zipfile.ZipInfo],
    sets: set[tuple[str, ...]],
    folder: Path,
    found: ReceivedFiles,
) -> None:
    """Note what the files beside the masks of a training set say about these."""
    for entry in entries:
        parts = _parts(entry)
        if parts[:-1] not in sets or parts[-1] not in (PROJECT_FILE, CLASS_FILE):
            continue
        if parts[-1] == PROJECT_FILE:
            found.are_numbered = found.are_labels = True
        elif not entry.flag_bits & 1 and entry.compress_type in _PACKINGS:
            path = folder / CLASS_FILE
            if _copy(opened, entry, path, _MAX_CLASS_FILE_BYTES) <= _MAX_CLASS_FILE_BYTES:
                found.are_labels |= _ignores_255(path, found)
            path.unlink()


def _ignores_255(path: Path, found: ReceivedFiles) -> bool:
    """Return whether a classes file says that 255 is unlabelled; note what is wrong in it."""
    try:
        return ignores_255(path)
    except ConfigError as error:
        found.problems.append(str(error).replace(str(path), CLASS_FILE))
        return False


def _say_left_out(files: int | None) -> str:
    others = "what lies beside it is" if files is None else f"{files} files beside it are"
    return f"the masks are those of {MASK_FOLDER.as_posix()}; {others} left out"


def _check_directory(archive: Path) -> None:
    """Look at the list of the entries before it is read: each takes memory."""
    with archive.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - _END_BYTES - _MAX_COMMENT - 1024))
        tail = file.read()
    place = tail.rfind(_END)
    end = tail[place : place + _END_BYTES]
    if place < 0 or len(end) < _END_BYTES:
        raise ConfigError("this is no zip file; send a zip of masks")
    entries, listed = int.from_bytes(end[10:12], "little"), int.from_bytes(end[12:16], "little")
    if _ZIP64_LOCATOR in tail[:place] or entries == 0xFFFF:
        raise ConfigError("the zip is of the kind for 65,535 entries or 4 GB; send smaller ones")
    if listed > _MAX_RECORDS_BYTES:
        raise ConfigError("the list of the zip's entries is too long")


def _unpack_entry(
    opened: zipfile.ZipFile,
    entry: zipfile.ZipInfo,
    place: int,
    folder: Path,
    size: tuple[int, int],
    left: int,
    found: ReceivedFiles,
) -> int:
    """Write one entry if it may be a mask; return its size."""
    parts = _parts(entry)
    if not parts or _is_ignored(parts):
        return 0
    name, problems = _shown_name(parts[-1]), found.problems
    if stat.S_ISLNK(entry.external_attr >> 16):
        problems.append(f"{name}: is a link, and is left out")
        return 0
    if entry.flag_bits & 1:
        problems.append(f"{name}: is encrypted")
        return 0
    if not _may_be_mask(name, 0, size, found):
        return 0
    if entry.compress_type not in _PACKINGS:
        problems.append(f"{name}: is packed in a way that is not read; use deflate")
        return 0
    path = folder / f"{place:06d}{PurePosixPath(name).suffix.lower()}"
    limit = min(left, _limit_of(name, size))
    try:
        taken = _copy(opened, entry, path, limit)
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, OSError, ValueError) as error:
        path.unlink(missing_ok=True)
        problems.append(f"{name}: is damaged ({error})")
        return 0
    if taken > limit:
        path.unlink()
        if limit == left:
            raise ConfigError(
                "the zip holds more than is taken at once, see limits in conf/studio.yaml"
            )
        problems.append(f"{name}: is larger than a mask of this clip can be")
        return limit
    found.files.append(NamedFile(name, path))
    return taken


def _copy(opened: zipfile.ZipFile, entry: zipfile.ZipInfo, path: Path, limit: int) -> int:
    """Write an entry, at most a block more than the limit; return how much that is."""
    taken = 0
    with opened.open(entry) as source, path.open("xb", buffering=0) as file:
        while taken <= limit and (block := source.read(_BLOCK)):
            try:
                file.write(block)
            except OSError as error:
                raise OutputError(f"cannot write {path}: {error.strerror or error}") from error
            taken += len(block)
    return taken


def _may_be_mask(name: str, size_bytes: int, size: tuple[int, int], found: ReceivedFiles) -> bool:
    suffix = PurePosixPath(name).suffix.lower()
    if suffix not in SUFFIXES:
        found.others[suffix[:12] or "without an ending"] += 1
        return False
    if size_bytes > _limit_of(name, size):
        found.problems.append(f"{name}: is larger than a mask of this clip can be")
        return False
    return True


def _limit_of(name: str, size: tuple[int, int]) -> int:
    """Return how many bytes a mask can have: those of 16 bits in four channels, not packed."""
    if name.lower().endswith(".json"):
        return _MAX_JSON_BYTES
    return 8 * size[0] * size[1] + size[0] + (1 << 16)


def _is_ignored(parts: Iterable[str]) -> bool:
    return any(part in _IGNORED or part.startswith("._") for part in parts)


def _shown_name(name: str) -> str:
    return to_printable(name)[-_MAX_NAME_CHARS:]
