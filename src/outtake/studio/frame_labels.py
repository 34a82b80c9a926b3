"""The labels of the frames of a project: actions are kept first, pictures follow from them.

A line in ``strokes/`` is on the disk before the page hears that it is saved. The mask is written
after it; a process that was killed between the two is made good the next time the frame is opened.
The last line of those that came together holds the CRC-32 of the mask after them: a mask that is
neither the last one nor the one before was written by another program, whatever its time says.
"""

from __future__ import annotations

import json
import os
import time
import zlib
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from outtake.core.errors import ConfigError, OutputError, UnreadableImageError
from outtake.core.files import replace_file
from outtake.core.types import Frame, LabelMap
from outtake.studio.label_png import encode_frame, read_label_png, write_label_png
from outtake.studio.strokes import (
    UNLABELLED,
    Action,
    History,
    apply_action,
    check_action,
    find_runs,
)

_KEPT_FRAMES = 6
_DAMAGED = "damaged"


class ClosedProjectError(ConfigError):
    """A project was closed while something of it was asked for."""


class RevisionError(ConfigError):
    """The labels of a frame are newer than whoever wants to change them knows."""


class FrameLabels:
    """The labels of one frame, as its actions tell.

    Args:
        folder: The project.
        number: The frame, from 0.
        size: Its height and width.
        classes: The number of classes.
        read_image: Returns the frame, uint8 (H, W, 3).

    Attributes:
        labels: Class ids, uint8 (H, W); 255 is unlabelled.
        history: The actions that gave them.
        notice: What was done to a mask that could not be read, in a line; None if nothing was.

    Raises:
        UnreadableImageError: The mask is damaged, of another size or kind, or holds what is no
            class, and there are no actions from which it could be drawn.
        ConfigError: A line of the actions is damaged.
    """

    def __init__(
        self,
        folder: Path,
        number: int,
        size: tuple[int, int],
        classes: int,
        read_image: Callable[[int], Frame],
    ) -> None:
        self._number, self._size, self._classes = number, size, classes
        self._read_image = read_image
        name = f"{number:06d}"
        self.notice: str | None = None
        self._damaged = folder / _DAMAGED / f"{name}.png"
        self._log = folder / "strokes" / f"{name}.jsonl"
        self._mask = folder / "train/masks" / f"{name}.png"
        self._image = folder / "train/images" / f"{name}.png"
        self.history = History()
        # The CRC-32 of the mask that was there before the newest actions; None if it is not known.
        self._checksum_before: int | None = None
        for action in self._read_lines():
            self.history.check_next(action)
            self.history.add(action)
        self.labels = self.history.draw(size)
        self._make_mask_agree()

    @property
    def revision(self) -> int:
        """The number of actions so far."""
        return self.history.lines

    @property
    def actions(self) -> list[Action]:
        """All actions that are needed to undo and redo from here."""
        undone = [action for stroke in reversed(self.history.undone) for action in stroke]
        done = [action for stroke in self.history.done for action in stroke]
        return done + undone + [{"tool": "undo"}] * len(self.history.undone)

    @property
    def checksum(self) -> int:
        """The CRC-32 of the map, row by row."""
        return zlib.crc32(self.labels.tobytes())

    def append(self, revision: int, given: Sequence[object]) -> None:
        """Add actions: all of them, or none if one cannot be.

        Args:
            revision: The number of actions that whoever sends these knows of.
            given: Actions of unknown origin.

        Raises:
            RevisionError: There are others meanwhile.
            ConfigError: One is no action.
            OutputError: They cannot be written; nothing has changed then.
        """
        if revision != self.revision:
            raise RevisionError(
                f"frame {self._number} was changed elsewhere (revision {self.revision}, "
                f"not {revision}); load it again"
            )
        actions = [check_action(each, self._size, self._classes) for each in given]
        trial = self.history.copy()
        for action in actions:
            trial.check_next(action)
            trial.add(action)
        if not actions:
            return
        if all(action["tool"] not in ("undo", "redo") for action in actions):
            labels = self.labels.copy()
            for action in actions:
                apply_action(labels, action)
        else:
            labels = trial.draw(self._size)
        before, former = self._write_lines(actions, labels), (self.history, self.labels)
        self.history, self.labels = trial, labels
        try:
            self._write_mask()
        except BaseException:
            # Whoever sent these is told that they are not saved, and sends them again.
            self.history, self.labels = former
            os.truncate(self._log, before)
            raise

    def _read_lines(self) -> list[Action]:
        try:
            content = self._log.read_bytes()
        except FileNotFoundError:
            return []
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            # Whoever was killed while writing it was not told that it is saved.
            os.truncate(self._log, whole)
        actions: list[Action] = []
        newest: int | None = None
        for place, line in enumerate(content[:whole].splitlines(), 1):
            try:
                record = json.loads(line)
                self._checksum_before, newest = newest, _take_checksum(record, newest)
                actions.append(check_action(record, self._size, self._classes))
            except (ValueError, RecursionError, ConfigError) as error:
                raise ConfigError(
                    f"{self._log}: line {place} is no action ({error}); move the file away, and "
                    "the mask stays as it is"
                ) from error
        return actions

    def _write_lines(self, actions: Sequence[Action], labels: LabelMap) -> int:
        """Write actions, which give these labels, behind the others; return where they begin."""
        stamp = round(time.time(), 3)
        records = [{**each, "time": stamp} for each in actions]
        records[-1]["crc32"] = zlib.crc32(labels.tobytes())
        text = "".join(json.dumps(each) + "\n" for each in records)
        try:
            self._log.parent.mkdir(parents=True, exist_ok=True)
            # Without a buffer: what could not be written is not tried again when it is closed.
            with self._log.open("ab", buffering=0) as file:
                before, left = file.seek(0, os.SEEK_END), memoryview(text.encode())
                try:
                    while left:
                        left = left[file.write(left) :]
                    os.fsync(file.fileno())
                except OSError:
                    os.truncate(self._log, before)
                    raise
                return before
        except OSError as error:
            raise OutputError(f"cannot write {self._log}: {error.strerror or error}") from error

    def _make_mask_agree(self) -> None:
        """Make the mask what the actions say, or the actions what another program wrote."""
        if not self._mask.exists():
            if self.history.done:
                self._write_mask()
            return
        try:
            found = read_label_png(self._mask, self._size, self._classes)
        except UnreadableImageError as error:
            self._draw_again(error)
            return
        if np.array_equal(found, self.labels):
            return
        if zlib.crc32(found.tobytes()) == self._checksum_before:
            self._write_mask()
            return
        stroke = self.history.last_stroke + 1
        parts = find_runs(found, self.labels)
        self.append(
            self.revision, [{"stroke": stroke, "tool": "pixels", "by": "file", "parts": parts}]
        )

    def _draw_again(self, error: UnreadableImageError) -> None:
        """Move a mask that cannot be read out of the way, and draw it as the actions say.

        Raises:
            UnreadableImageError: There are no actions.
            OutputError: It cannot be moved.
        """
        if not self.history.lines:
            raise UnreadableImageError(
                f"{error}; put a whole one in its place, or remove it to label the frame anew"
            ) from error
        try:
            self._damaged.parent.mkdir(exist_ok=True)
            os.replace(self._mask, self._damaged)
        except OSError as failed:
            raise OutputError(
                f"{error}; it cannot be moved to {self._damaged}: {failed.strerror}"
            ) from failed
        self._write_mask()
        self.notice = (
            f"frame {self._number}: its mask could not be read ({error}), and was drawn again from "
            f"the strokes; what was there is {_DAMAGED}/{self._damaged.name}"
        )

    def _write_mask(self) -> None:
        if (self.labels == UNLABELLED).all():
            # A frame without a label is none to train on.
            try:
                self._mask.unlink(missing_ok=True)
                self._image.unlink(missing_ok=True)
            except OSError as error:
                raise OutputError(f"cannot remove {self._mask}: {error.strerror}") from error
            return
        added = not self._image.exists()
        try:
            if added:
                packed = encode_frame(self._read_image(self._number))
                replace_file(self._image, lambda file: file.write(packed))
            write_label_png(self._mask, self.labels)
        except BaseException:
            if added:
                self._image.unlink(missing_ok=True)
            raise


def _take_checksum(record: object, before: int | None) -> int | None:
    """Take the CRC-32 of the mask out of a line; return it, or that of an earlier line."""
    found = record.pop("crc32", before) if isinstance(record, dict) else before
    return found if type(found) is int else before


class LabelStore:
    """The labels of all frames, a few of them in memory.

    Args:
        open_frame: Returns the labels of a frame from what is on the disk.
    """

    def __init__(self, open_frame: Callable[[int], FrameLabels]) -> None:
        self._open = open_frame
        self._kept: OrderedDict[int, FrameLabels] = OrderedDict()

    def __getitem__(self, number: int) -> FrameLabels:
        """Return the labels of a frame; see :class:`FrameLabels` for the errors."""
        if number not in self._kept:
            self._kept[number] = self._open(number)
            while len(self._kept) > _KEPT_FRAMES:
                self._kept.popitem(last=False)
        self._kept.move_to_end(number)
        return self._kept[number]

    def forget(self) -> None:
        """Read everything from the disk again."""
        self._kept.clear()
