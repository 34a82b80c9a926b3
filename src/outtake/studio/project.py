"""A project folder: one clip and the labels of its frames. The folder is itself a training set.

It can be read without Outtake, copied to another machine, and opened again where it was left::

    PROJECT/
      project.json              the clip, its size and what identifies it, the classes and colours
      classes.yaml              names: [background, object], ignore: 255; always there
      train/images/000017.png   the labelled frames
      train/masks/000017.png    uint8: 0 background, 1 and on objects, 255 unlabelled
      strokes/000017.jsonl      how the labels came about, see strokes.py
      runs/, results/           of trainings and removals
      suggestions.json          of outtake suggest
      .lock, .lock-owner        of the process that has the project open

Without ``classes.yaml`` masks that hold only 0 and 255 would be read as those of two classes.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from outtake.core.errors import ConfigError, DataRootError, OutputError
from outtake.core.file_lock import FolderLock
from outtake.core.files import check_folder, replace_text, write_json
from outtake.core.printable_text import to_printable
from outtake.labelled_video.project_folder import CLASS_FILE, MASK_FOLDER, PROJECT_FILE
from outtake.studio.frame_labels import ClosedProjectError, FrameLabels, LabelStore
from outtake.studio.frame_reader import FrameReader
from outtake.studio.label_png import is_whole_png
from outtake.video.read.clip import open_clip
from outtake.video.read.inputs import expand_inputs

FORMAT = 1
MAX_CLASSES = 64
_MAX_NAME_CHARS = 60
_MAX_DIGITS = 12
_LOCK, _OWNER = ".lock", ".lock-owner"
_COLOUR = re.compile("#[0-9a-f]{6}")


class Project:
    """A project folder that is open; nobody else can open it meanwhile. Close it at the end.

    Args:
        folder: The project; it is made if it is missing and ``source`` is given.
        source: The clip; None for the one that ``project.json`` names.
        classes: The names of the classes of a new project, the background first.

    Attributes:
        folder: The project.
        source: The path of the clip.
        frames: Reads the frames.
        classes: The names of the classes; the place is the id.
        colours: The colour of each class as "#rrggbb"; None for one of the page's own.
        labels: The labels of each frame.
        closed: Whether it is closed; nothing is to be written then.

    Raises:
        OuttakeError: The folder or the clip cannot be used, another process has it open, or the
            clip is not the one that was labelled.
    """

    def __init__(
        self,
        folder: Path,
        source: str | Path | None = None,
        classes: Sequence[str] = ("background", "object"),
    ) -> None:
        self.folder, self.closed = folder, False
        path = folder / PROJECT_FILE
        if not path.is_file():
            _check_new(folder, source)
        self.classes = check_class_names(classes)
        self.colours: list[str | None] = [None] * len(self.classes)
        known = _read_record(path) if path.is_file() else None
        self.source = _find_source(folder, known, source)
        self.frames = FrameReader(_single_clip(self.source))
        self._lock = FolderLock(folder / _LOCK)
        self._take_lock()
        self.labels = LabelStore(self._open_frame)
        try:
            self._record = self._open_known(known) if known else self._make_record()
            self._write(self.classes, self.colours)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let others open the project."""
        self.closed = True
        self.labels.forget()
        self.frames.close()
        if self._lock.is_held:
            with contextlib.suppress(OSError):
                (self.folder / _OWNER).unlink()
        self._lock.release()

    def check_open(self) -> None:
        """Raise a ClosedProjectError if it is closed."""
        if self.closed:
            raise ClosedProjectError(f"{self.folder.name}: is closed")

    @property
    def size(self) -> tuple[int, int]:
        """The height and width of the frames."""
        return self.frames.info.height, self.frames.info.width

    def labelled_frames(self) -> list[int]:
        """Return the numbers of the frames that have labels, in order."""
        found = map(self._find_number, (self.folder / MASK_FOLDER).glob("*.png"))
        return sorted(number for number in found if number is not None)

    def mend_masks(self) -> list[str]:
        """Look at all masks before another program reads them; return what was done, in lines.

        One that was cut off is drawn again from the strokes of its frame.

        Raises:
            ConfigError: A file among them is the mask of no frame.
            UnreadableImageError: One was cut off, and its frame has no strokes.
            OutputError: It cannot be written.
        """
        notices = []
        for path in sorted((self.folder / MASK_FOLDER).glob("[!.]*.png")):
            number = self._find_number(path)
            if number is None:
                raise ConfigError(
                    f"{path}: is the mask of no frame; frames are 0 to {self.frames.count - 1}, "
                    "and masks are named as 000017.png; move it away"
                )
            if not is_whole_png(path):
                self.labels.forget()
                notices.append(self.labels[number].notice)
        return [each for each in notices if each is not None]

    def _find_number(self, mask: Path) -> int | None:
        """Return the frame whose mask a file is; None if it is that of none."""
        stem = mask.stem
        if not (stem.isascii() and stem.isdecimal()) or len(stem) > _MAX_DIGITS:
            return None
        number = int(stem)
        return number if number < self.frames.count and stem == f"{number:06d}" else None

    def add_class(self, name: str) -> None:
        """Add a class behind the others; what is labelled stays as it is.

        Raises:
            ConfigError: The name is taken or none, or there are too many.
            OutputError: It cannot be written; the classes are those from before then.
        """
        self._change_classes(check_class_names([*self.classes, name]), [*self.colours, None])
        self.labels.forget()

    def change_class(self, number: int, name: str | None, colour: str | None) -> None:
        """Give a class another name or colour, or both; its id, and what is labelled, stay.

        Raises:
            ConfigError: There is no such class, the name is taken or none, or the colour is none.
            OutputError: It cannot be written; the classes are those from before then.
        """
        if not 0 <= number < len(self.classes):
            raise ConfigError(f"class: must be 0 to {len(self.classes) - 1}")
        if colour is not None and not _COLOUR.fullmatch(colour):
            raise ConfigError("colour: must be as #1d5fa8")
        if name is None and colour is None:
            raise ConfigError("class: give a name or a colour")
        classes, colours = list(self.classes), list(self.colours)
        if name is not None:
            classes[number] = name
        if colour is not None:
            colours[number] = colour
        self._change_classes(check_class_names(classes), colours)

    def suggestions(self) -> dict[str, Any]:
        """Return what ``outtake suggest`` wrote, empty without it or if it is damaged."""
        try:
            found = json.loads((self.folder / "suggestions.json").read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}

    def _open_frame(self, number: int) -> FrameLabels:
        self.check_open()
        if not 0 <= number < self.frames.count:
            raise ConfigError(f"frame {number}: there are 0 to {self.frames.count - 1}")
        return FrameLabels(self.folder, number, self.size, len(self.classes), self.frames.read)

    def _take_lock(self) -> None:
        try:
            self._lock.take()
        except BlockingIOError as error:
            try:
                owner = f"process {int((self.folder / _OWNER).read_text())}"
            except (OSError, ValueError):
                owner = "another process"
            raise ConfigError(f"{self.folder}: is open in {owner}; close it there") from error
        except OSError as error:
            raise OutputError(f"cannot write {self.folder}: {error.strerror}") from error
        replace_text(self.folder / _OWNER, f"{os.getpid()}\n")

    def _make_record(self) -> dict[str, Any]:
        info = self.frames.info
        return {
            "format": FORMAT,
            "source": {"path": self._stored_path(), **self._identify()},
            "frames": self.frames.count,
            "width": info.width,
            "height": info.height,
            "fps": str(info.fps),
            "time_base": str(info.time_base),
        }

    def _open_known(self, record: dict[str, Any]) -> dict[str, Any]:
        """Check that the clip is still the one that was labelled."""
        names = record.get("classes")
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise DataRootError(f"{self.folder / PROJECT_FILE}: classes: must be a list of names")
        self.classes = check_class_names(names)
        self.colours = _read_colours(record.get("colours"), len(names))
        said = record["source"] if isinstance(record["source"], dict) else {}
        stamp = _stamp(self.source)
        if {key: said.get(key) for key in stamp} != stamp:
            found = self._identify()
            if said.get("sha256") not in (None, found["sha256"]):
                raise DataRootError(
                    f"{self.source}: is not the clip that was labelled in {self.folder}; put the "
                    "former one back, or make a new project of this one"
                )
            said = found
        record = {**record, "source": {**said, "path": self._stored_path()}}
        shown = (self.frames.count, self.frames.info.width, self.frames.info.height)
        wanted = tuple(record.get(key, value) for key, value in
                       zip(("frames", "width", "height"), shown, strict=True))  # fmt: skip
        if shown != wanted:
            raise DataRootError(
                f"{self.source}: has {shown[0]} frames of {shown[1]}x{shown[2]}, and "
                f"{self.folder} is of {wanted[0]} of {wanted[1]}x{wanted[2]}"
            )
        return record

    def _stored_path(self) -> str:
        """Return where the clip is: from the project if it lies in it, so that both can move."""
        folder = self.folder.resolve()
        inside = self.source.is_relative_to(folder)
        return str(self.source.relative_to(folder) if inside else self.source)

    def _identify(self) -> dict[str, Any]:
        with open_clip(_single_clip(self.source), high_bit_depth=False) as clip:
            return {"sha256": clip.digest(), **_stamp(self.source)}

    def _change_classes(self, classes: list[str], colours: list[str | None]) -> None:
        """Let the classes be others, once they are on the disk."""
        try:
            self._write(classes, colours)
        except BaseException:
            with contextlib.suppress(OutputError):
                self._write_class_file(self.classes)
            raise
        self.classes, self.colours = classes, colours

    def _write(self, classes: list[str], colours: list[str | None]) -> None:
        self._write_class_file(classes)
        record = {**self._record, "classes": classes, "colours": colours}
        write_json(self.folder / PROJECT_FILE, record)
        self._record = record

    def _write_class_file(self, classes: list[str]) -> None:
        names = json.dumps(classes, ensure_ascii=False)
        replace_text(self.folder / CLASS_FILE, f"names: {names}\nignore: 255\n")


def check_class_names(names: Sequence[str]) -> list[str]:
    """Return the names of classes if they can be.

    Raises:
        ConfigError: There are fewer than 2 or too many, or one is empty, repeated or unprintable.
    """
    if not 2 <= len(names) <= MAX_CLASSES:
        raise ConfigError(f"classes: there must be 2 to {MAX_CLASSES}, the background first")
    for name in names:
        if not name.strip() or len(name) > _MAX_NAME_CHARS or not name.isprintable():
            raise ConfigError(
                f"classes: {to_printable(name)[:80]!r} cannot be a name; use 1 to "
                f"{_MAX_NAME_CHARS} printable characters"
            )
    if repeated := [name for name in names if list(names).count(name) > 1]:
        raise ConfigError(f"classes: names must differ, repeated: {repeated[0]}")
    return list(names)


def _read_colours(found: object, classes: int) -> list[str | None]:
    """Return a colour of each class; what is none is left to the page."""
    known = found if isinstance(found, list) else []
    given = [each if isinstance(each, str) and _COLOUR.fullmatch(each) else None for each in known]
    return (given + [None] * classes)[:classes]


def read_source(folder: Path) -> Path:
    """Return the clip that a project is of, whether or not it is there.

    Raises:
        DataRootError: It is no project.
    """
    return _find_source(folder, _read_record(folder / PROJECT_FILE), None)


def _check_new(folder: Path, source: str | Path | None) -> None:
    if source is None:
        raise ConfigError(f"{folder}: has no {PROJECT_FILE}; name a clip with input=FILE")
    own = Path(source).expanduser().resolve()
    if folder.is_dir() and any(each.resolve() != own for each in folder.iterdir()):
        raise OutputError(f"{folder}: holds something else; name an empty or a new folder")
    check_folder(folder)


def _read_record(path: Path) -> dict[str, Any]:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if record["format"] != FORMAT:
            raise DataRootError(f"{path}: is of format {record['format']}; this reads {FORMAT}")
        _source_path(record)
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataRootError(f"{path}: is no {PROJECT_FILE} of the studio") from error
    found: dict[str, Any] = record
    return found


def _source_path(record: dict[str, Any]) -> str:
    source = record["source"]
    path = source["path"] if isinstance(source, dict) else source
    if not isinstance(path, str) or not path:
        raise TypeError("no path")
    return path


def _find_source(folder: Path, known: dict[str, Any] | None, source: str | Path | None) -> Path:
    if source is not None:
        return Path(source).expanduser().resolve()
    assert known is not None
    return (folder / Path(_source_path(known)).expanduser()).resolve()


def _single_clip(source: Path) -> Any:
    clips = expand_inputs(source)
    if len(clips) > 1:
        raise ConfigError(f"{source}: holds {len(clips)} clips; a project is of one")
    return clips[0]


def _stamp(source: Path) -> dict[str, int]:
    # Of a folder of images these say little, and its digest is looked at again.
    found = source.stat()
    return {"size": found.st_size, "mtime_ns": found.st_mtime_ns}
