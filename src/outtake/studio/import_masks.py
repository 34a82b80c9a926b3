"""Masks of other programs as labels of frames: each one action, which can be undone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from pathlib import PurePath
from typing import Any

import numpy as np

from outtake.annotations.raster import draw_shape
from outtake.core.errors import ConfigError, LabelValueError, OutputError, OuttakeError
from outtake.core.printable_text import list_some, to_printable
from outtake.core.types import LabelMap
from outtake.data.sources.polygon_source import BACKGROUND, IGNORED_NAMES
from outtake.masking.annotation_files import AnnotatedFrame, read_annotations
from outtake.studio.label_png import encode_frame, read_png_size
from outtake.studio.mask_reading import MaskReading, find_mask_reading
from outtake.studio.match_masks import match_masks
from outtake.studio.project import Project
from outtake.studio.strokes import UNLABELLED, find_runs
from outtake.studio.unpack_masks import NamedFile, ReceivedFiles

_BACKGROUND_NAMES = ("_background_", BACKGROUND)
_MAX_PROBLEMS = 300
_MAX_LINE = 300


def estimate_bytes(project: Project) -> int:
    """Return about how much labels of all frames need: each labelled frame is kept as a picture."""
    count = project.frames.count
    samples = sorted({0, count // 2})
    sizes = [len(encode_frame(project.frames.read(number))) for number in samples]
    return (count - len(project.labelled_frames())) * sum(sizes) // len(sizes)


@dataclass(frozen=True)
class _FoundMask:
    """A mask before its pixels are looked at; ``read`` returns its labels, or raises."""

    name: str
    read: Callable[[], LabelMap]
    frame: int | None = None


@dataclass
class MaskImport:
    """Takes masks into the labels of a project, frame by frame.

    Args:
        project: The project.
        received: The files.
        white: The class of white in masks of two values.
        every_frame: Whether the only mask is that of every frame.

    Attributes:
        frames: The frames that have got the labels of a mask.
        same: How many had these labels before.
        problems: One line for each file that was not taken.
        notes: What was found out of the masks.

    Raises:
        ConfigError: There is no such class, or there are several masks for every frame.
    """

    project: Project
    received: ReceivedFiles
    white: int = 1
    every_frame: bool = False
    frames: list[int] = field(default_factory=list)
    same: int = 0
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Look at the headers and the names, not yet at the pixels."""
        if not 1 <= self.white < len(self.project.classes):
            raise ConfigError(f"white: must be a class, 1 to {len(self.project.classes) - 1}")
        self.problems += self.received.problems
        self.notes += self.received.notes
        found = [*self._find_annotated(), *self._find_pictures()]
        if self.received.others:
            kinds = ", ".join(f"{n} {kind}" for kind, n in sorted(self.received.others.items()))
            self.notes.append(f"left out: {kinds}; masks are PNG, or JSON of LabelMe")
        self._masks = found if self.every_frame else list(self._match(found))
        if self.every_frame and len(found) != 1:
            raise ConfigError(
                f"one mask for all frames: choose one, these are {len(found)}"
                + (f"; {self.problems[0]}" if self.problems else "")
            )

    def run(self, lock: AbstractContextManager[Any]) -> Iterator[tuple[int, int]]:
        """Take one mask after the other; yield how many are done, and of how many.

        Args:
            lock: Held while a frame changes.
        """
        if self.every_frame:
            yield from self._run_for_every_frame(lock)
            return
        for done, mask in enumerate(self._masks, 1):
            assert mask.frame is not None
            try:
                labels = mask.read()
                with lock:
                    self._take(mask.frame, labels)
            except OutputError as error:
                self._say(f"{error}; {len(self._masks) - done + 1} masks are not taken")
                return
            except OuttakeError as error:
                self._say(f"{mask.name}: {error}")
            yield done, len(self._masks)

    def summary(self) -> dict[str, Any]:
        """Return what became of it, as plain containers."""
        shown = self.problems[:_MAX_PROBLEMS]
        if more := len(self.problems) - len(shown):
            shown = [*shown, f"and {more} more"]
        return {
            "taken": len(self.frames),
            "same": self.same,
            "frames": self.frames,
            "problems": [to_printable(line)[:_MAX_LINE] for line in shown],
            "notes": [to_printable(line)[:_MAX_LINE] for line in self.notes],
            "labelled": self.project.labelled_frames(),
        }

    def _run_for_every_frame(self, lock: AbstractContextManager[Any]) -> Iterator[tuple[int, int]]:
        (mask,), count = self._masks, self.project.frames.count
        try:
            labels = mask.read()
        except OuttakeError as error:
            self._say(f"{mask.name}: {error}")
            return
        for number in range(count):
            try:
                with lock:
                    self._take(number, labels)
            except OuttakeError as error:
                self._say(f"frame {number}: {error}; {count - number} frames are not labelled")
                return
            yield number + 1, count

    def _take(self, frame: int, labels: LabelMap) -> None:
        if self.project.closed:
            raise OutputError("the project was closed")
        before = self.project.labels[frame]
        parts = find_runs(labels, before.labels)
        if not parts:
            self.same += 1
            return
        stroke = before.history.last_stroke + 1
        before.append(
            before.revision, [{"stroke": stroke, "tool": "pixels", "by": "file", "parts": parts}]
        )
        self.frames.append(frame)

    def _find_pictures(self) -> Iterator[_FoundMask]:
        height, width = self.project.size
        records = {PurePath(f.name).stem for f in self.received.files if _is_record(f)}
        beside, kept = 0, []
        for each in self.received.files:
            if _is_record(each):
                continue
            if PurePath(each.name).stem in records:
                beside += 1  # the picture that was annotated
                continue
            size = read_png_size(each.path)
            if size == (height, width):
                kept.append(each)
            elif size is None:
                self._say(f"{each.name}: is no PNG")
            else:
                self._say(f"{each.name}: is {size[1]}x{size[0]}, and the clip is {width}x{height}")
        if beside:
            self.notes.append(f"{beside} pictures beside their JSON files are left out")
        if not kept:
            return
        reading = find_mask_reading(
            [each.path for each in kept],
            self.project.classes,
            self.white,
            are_labels=self.received.are_labels,
        )
        self.notes += reading.notes
        for each in kept:
            yield _FoundMask(each.name, partial(self._decode, each, reading))

    def _decode(self, file: NamedFile, reading: MaskReading) -> LabelMap:
        try:
            labels = reading.decode(file.path, file.name)
        except OuttakeError as error:
            raise type(error)(str(error).replace(str(file.path), file.name)) from error
        if labels.shape != self.project.size:
            raise LabelValueError("is turned by its EXIF data; save it as it is seen")
        return labels

    def _find_annotated(self) -> Iterator[_FoundMask]:
        for file in filter(_is_record, self.received.files):
            try:
                found = read_annotations([file.path])
            except OuttakeError as error:
                self._say(f"{file.name}: {str(error).replace(str(file.path), 'the file')}")
                continue
            self.problems += [f"{file.name}: {line}" for line in found.flaws]
            for each in found.frames:
                # LabelMe's files are of one picture each, and named as it is.
                own = len(found.frames) == 1 and each.name in (file.path.stem, file.path.name)
                name = file.name if own else each.name
                if each.number is not None and not 0 <= each.number < self.project.frames.count:
                    self._say(f"{file.name}: frame {each.number} is not in the clip")
                    continue
                yield _FoundMask(
                    name,
                    partial(self._draw, each),
                    each.number,
                )

    def _draw(self, frame: AnnotatedFrame) -> LabelMap:
        height, width = self.project.size
        if frame.size is not None and frame.size != self.project.size:
            raise LabelValueError(
                f"is {frame.size[1]}x{frame.size[0]}, and the clip is {width}x{height}"
            )
        ids = {name: number for number, name in enumerate(self.project.classes)}
        ids |= dict.fromkeys(IGNORED_NAMES - ids.keys(), UNLABELLED)
        ids |= dict.fromkeys(_BACKGROUND_NAMES - ids.keys(), 0)
        if wrong := sorted({each.label for each in frame.shapes} - ids.keys()):
            raise LabelValueError(
                f"has the class {list_some(wrong)}, and the project has "
                f"{', '.join(self.project.classes)}; add it first"
            )
        labels = np.zeros((height, width), np.uint8)
        for shape in frame.shapes:
            placed = shape if frame.size else shape.scale((height, width))
            draw_shape(labels, placed, ids[shape.label], rule="centres")
        return labels

    def _match(self, found: Sequence[_FoundMask]) -> Iterator[_FoundMask]:
        """Yield the masks that are of a frame."""
        named = [each for each in found if each.frame is None]
        frames, how = match_masks(
            [each.name for each in named],
            self.project.frames.count,
            () if self.received.are_numbered else self.project.frames.picture_names,
        )
        if how:
            self.notes.append(how)
        taken = {each.frame for each in found if each.frame is not None}
        yield from (each for each in found if each.frame is not None)
        for mask, frame in zip(named, frames, strict=True):
            if isinstance(frame, str):
                self._say(f"{mask.name}: {frame}")
            elif frame in taken:
                self._say(f"{mask.name}: is a second mask of frame {frame}")
            else:
                yield _FoundMask(mask.name, mask.read, frame)

    def _say(self, line: str) -> None:
        self.problems.append(line)


def _is_record(file: NamedFile) -> bool:
    return file.path.suffix.lower() == ".json"
