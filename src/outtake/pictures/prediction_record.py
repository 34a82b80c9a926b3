"""What was made of each picture: a resumed run sees what is done; class shares are kept."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from outtake.core.errors import OutputError
from outtake.core.files import replace_file, replace_text, write_json
from outtake.core.types import LabelMap
from outtake.pictures.find_pictures import PictureFile

RECORD_NAME = "predictions.jsonl"
SHARES_JSON, SHARES_CSV = "shares.json", "shares.csv"


@dataclass(frozen=True, slots=True)
class PictureRecord:
    """What was made of one picture.

    Attributes:
        picture: Its path under the folder that was named.
        sources: The size and the time of change of its file, and of its mask's, if it has one.
        width: Its width in pixels.
        height: Its height.
        files: What was written, relative to the output folder.
        shares: The share of each class, by name; None where nothing was labelled.
        removed: The share that was removed; None where nothing was to be.
        notes: What was stored otherwise than in the source.
    """

    picture: str
    sources: tuple[int, ...]
    width: int
    height: int
    files: tuple[str, ...]
    shares: Mapping[str, float] | None = None
    removed: float | None = None
    notes: tuple[str, ...] = ()


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

    A line is added when all files of its picture are in their place; a line that was cut off by a
    crash is dropped, and its picture made again.

    Args:
        folder: The output folder.
        made_with: What the files depend on beside the pictures: plain containers.
        overwrite: Begin again, whatever is there.

    Raises:
        OutputError: The folder was made with something else, or cannot be written.
    """

    def __init__(self, folder: Path, made_with: Mapping[str, Any], *, overwrite: bool) -> None:
        self._folder = folder
        self._path = folder / RECORD_NAME
        self.entries: dict[str, PictureRecord] = {}
        plain = json.loads(json.dumps(made_with, default=str))
        lines = [] if overwrite else self._read_lines()
        if lines:
            self._compare(lines[0].get("made_with"), plain)
            for line in lines[1:]:
                entry = _parse_entry(line)
                if entry is not None:
                    self.entries[entry.picture] = entry
        kept = [{"made_with": plain}, *(asdict(entry) for entry in self.entries.values())]
        self._text = "".join(json.dumps(line) + "\n" for line in kept)
        self._begun = False

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

    def add(self, entry: PictureRecord) -> None:
        """Add a picture whose files are all in their place.

        Raises:
            OutputError: The line cannot be written.
        """
        self.entries[entry.picture] = entry
        if not self._begun:
            replace_text(self._path, self._text)
            self._begun = True
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(entry)) + "\n")
        except OSError as error:
            raise OutputError(f"cannot write {self._path}: {error.strerror or error}") from error

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

    def _compare(self, was: object, now: Mapping[str, Any]) -> None:
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
            }
        )
    return None


def class_shares(labels: LabelMap, names: Sequence[str]) -> dict[str, float]:
    """Return the share of each class in a label map, by name, 0 to 1."""
    counts = np.bincount(labels.ravel(), minlength=256)[: len(names)]
    return {
        name: int(count) / labels.size for name, count in zip(names, counts.tolist(), strict=True)
    }


def write_shares(folder: Path, names: Sequence[str], entries: Sequence[PictureRecord]) -> None:
    """Write the class shares of all pictures as JSON and as CSV.

    The JSON has the mean over all pixels too.

    Args:
        folder: The output folder.
        names: The class names in the order of their ids.
        entries: The pictures with shares, in the order of the rows.

    Raises:
        OutputError: A file cannot be written.
    """
    rows = [(entry, entry.shares) for entry in entries if entry.shares is not None]
    pixels = sum(entry.width * entry.height for entry, _ in rows)
    total = {
        name: sum(shares[name] * entry.width * entry.height for entry, shares in rows) / pixels
        for name in names
        if pixels
    }
    pictures = {
        entry.picture: {"width": entry.width, "height": entry.height, "shares": dict(shares)}
        for entry, shares in rows
    }
    record = {"classes": list(names), "of_all_pixels": total, "pictures": pictures}
    write_json(folder / SHARES_JSON, record)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["picture", "width", "height", *names])
    for entry, shares in rows:
        values = [f"{shares[name]:.6f}" for name in names]
        writer.writerow([entry.picture, entry.width, entry.height, *values])
    # Names of files may hold bytes that are no text.
    data = text.getvalue().encode(errors="backslashreplace")
    replace_file(folder / SHARES_CSV, lambda file: file.write(data))
