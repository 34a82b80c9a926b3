"""What was made of each picture: a resumed run sees what is done, and whose each file is."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from outtake.core.errors import OutputError
from outtake.core.files import replace_text, sha256_of_file
from outtake.pictures.find_pictures import PictureFile

RECORD_NAME = "predictions.jsonl"


@dataclass(frozen=True, slots=True)
class PictureRecord:
    """What was made of one picture.

    Attributes:
        picture: Its path under the folder that was named.
        source: Its file, seen from the output folder.
        digest: The SHA-256 of that file.
        sources: The size and the time of change of its file, and of its mask's, if it has one.
        width: Its width in pixels.
        height: Its height.
        files: What was written, relative to the output folder; empty until all of it is.
        shares: The share of each class, by name; None where nothing was labelled.
        removed: The share that was removed; None where nothing was to be.
        notes: What was stored otherwise than in the source.
        earlier: What else was made of it before, or is about to be, relative to the output folder.
    """

    picture: str
    source: str
    digest: str
    sources: tuple[int, ...]
    width: int
    height: int
    files: tuple[str, ...]
    shares: Mapping[str, float] | None = None
    removed: float | None = None
    notes: tuple[str, ...] = ()
    earlier: tuple[str, ...] = ()

    @property
    def is_made(self) -> bool:
        """Whether all that was asked for is in its place."""
        return bool(self.files) or self.shares is not None

    def as_unmade(self, *names: str) -> PictureRecord:
        """Return the entry of a picture that is to be made again, to which files belong."""
        known = dict.fromkeys((*self.files, *self.earlier, *names))
        return replace(self, files=(), shares=None, removed=None, notes=(), earlier=tuple(known))

    def is_of(self, path: Path, folder: Path) -> bool:
        """Return whether a file is what this was made of: at its place, or moved from there.

        Args:
            path: The file.
            folder: The output folder.
        """
        if self.source == source_path(path, folder):
            return True
        with suppress(OSError):
            same_size = self.sources[:1] == source_identity(path)[:1]
            return same_size and self.digest == sha256_of_file(path)
        return False


def source_path(path: Path, folder: Path) -> str:
    """Return where a file lies, seen from the output folder: both may be moved as a whole."""
    try:
        return Path(os.path.relpath(path, folder)).as_posix()
    except ValueError:  # on another drive
        return path.absolute().as_posix()


def source_identity(*paths: Path) -> tuple[int, ...]:
    """Return size in bytes and time of change in ns of each file; zeros of one that is gone."""
    found: list[int] = []
    for path in paths:
        try:
            status = path.stat()
        except OSError:
            found += [0, 0]
        else:
            found += [status.st_size, status.st_mtime_ns]
    return tuple(found)


class PredictionRecord:
    """The lines of ``predictions.jsonl``: how the folder is made, and each picture that is done.

    A picture has a line before its first file is written, which says whose the files are if that is
    interrupted, and another when all are in their place; at the end one is left. A line that was
    cut off by a crash is dropped, and its picture made again.

    Args:
        folder: The output folder.
        made_with: What the files depend on beside the pictures: plain containers.
        overwrite: Begin again, whatever is there; pictures that were made in the same way stay.

    Raises:
        OutputError: The folder was made with something else, or cannot be written.
    """

    def __init__(self, folder: Path, made_with: Mapping[str, Any], *, overwrite: bool) -> None:
        self._folder = folder
        self._path = folder / RECORD_NAME
        self.entries: dict[str, PictureRecord] = {}
        self._made_with = json.loads(json.dumps(made_with, default=str))
        try:
            lines = self._read_lines()
            if lines:
                self._compare(lines[0].get("made_with"))
        except OutputError:
            if not overwrite:
                raise
            lines = []
        for line in lines[1:]:
            entry = _parse_entry(line)
            if entry is not None:
                self.entries[entry.picture] = entry
        self._begun = self._changed = False

    def find_owners(self) -> dict[str, PictureRecord]:
        """Return the entry to which each file belongs, by its path under the folder."""
        return {
            name: entry
            for entry in self.entries.values()
            for name in (*entry.files, *entry.earlier)
        }

    def is_done(self, file: PictureFile, wanted: Iterable[str], identity: tuple[int, ...]) -> bool:
        """Return whether all that is wanted of a picture is there, made of the files as they are.

        Args:
            file: The picture.
            wanted: The outputs.
            identity: What :func:`source_identity` finds now.
        """
        entry = self.entries.get(file.relative.as_posix())
        if entry is None or entry.sources != identity:
            return False
        written = {name.partition("/")[0]: self._folder / name for name in entry.files}
        return all(
            entry.shares is not None
            if kind == "shares"
            else kind in written and written[kind].is_file()
            for kind in wanted
        )

    def begin(self, entry: PictureRecord) -> None:
        """Say whose the files of a picture are, before they are written.

        Args:
            entry: The picture; its files are those that will be written.

        Raises:
            OutputError: The line cannot be written.
        """
        known = self.entries.get(entry.picture, entry)
        self._append(entry.as_unmade(*known.files, *known.earlier))

    def add(self, entry: PictureRecord) -> None:
        """Add a picture whose files are all in their place.

        Raises:
            OutputError: The line cannot be written.
        """
        known = self.entries.get(entry.picture, entry)
        others = {*known.files, *known.earlier} - {*entry.files}
        self._append(replace(entry, earlier=tuple(sorted(others))))

    def mark_unmade(self, file: PictureFile) -> None:
        """Count a picture that cannot be made now as one that is not made."""
        known = self.entries.get(file.relative.as_posix())
        if known is not None:
            self.entries[known.picture] = known.as_unmade()
            self._changed = True

    def finish(self) -> None:
        """Leave one line for each picture that is made, or of which an earlier file is there.

        Raises:
            OutputError: The file cannot be written.
        """
        self.entries = {
            name: entry
            for name, entry in self.entries.items()
            if entry.is_made or any((self._folder / each).exists() for each in entry.earlier)
        }
        if self._begun or self._changed:
            replace_text(self._path, self._render())

    def _append(self, entry: PictureRecord) -> None:
        if not self._begun:
            replace_text(self._path, self._render())
            self._begun = True
        self.entries[entry.picture] = entry
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(entry)) + "\n")
        except OSError as error:
            raise OutputError(f"cannot write {self._path}: {error.strerror or error}") from error

    def _render(self) -> str:
        lines = [{"made_with": self._made_with}, *map(asdict, self.entries.values())]
        return "".join(json.dumps(line) + "\n" for line in lines)

    def _read_lines(self) -> list[dict[str, Any]]:
        try:
            text = self._path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return []
        except (OSError, UnicodeDecodeError) as error:
            raise OutputError(f"cannot read {self._path}: {error}; set overwrite=true") from error
        lines = []
        for line in text.splitlines():
            with suppress(ValueError):
                found = json.loads(line)
                lines += [found] if isinstance(found, dict) else []
        return lines

    def _compare(self, was: object) -> None:
        now = self._made_with
        if was == now:
            return
        old = was if isinstance(was, dict) else {}
        changed = [key for key in sorted({*old, *now}) if old.get(key) != now.get(key)]
        shown = ", ".join(f"{key}={old.get(key)}" for key in changed[:3])
        raise OutputError(
            f"{self._folder} was made with {shown or 'something else'}; name another output, or "
            "set overwrite=true to make all of it again"
        )


def _parse_entry(line: Mapping[str, Any]) -> PictureRecord | None:
    with suppress(TypeError):
        entry = PictureRecord(**line)
        return PictureRecord(
            **{
                **asdict(entry),
                "sources": tuple(entry.sources),
                "files": tuple(entry.files),
                "notes": tuple(entry.notes),
                "earlier": tuple(entry.earlier),
            }
        )
    return None


def describe_notes(entries: Iterable[PictureRecord]) -> list[str]:
    """Return one line for each thing that was stored otherwise than in the sources."""
    counts: Counter[str] = Counter()
    examples: dict[str, str] = {}
    for entry in entries:
        for note in entry.notes:
            counts[note] += 1
            examples.setdefault(note, entry.picture)
    return [
        f"{examples[note]}: {note}"
        if count == 1
        else f"{count} pictures, as {examples[note]}: {note}"
        for note, count in counts.items()
    ]
