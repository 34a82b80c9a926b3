"""The labels of the frames of a project: actions are kept first, pictures follow from them.

A line in ``strokes/`` is on the disk before the page hears that it is saved. The mask is written
after it; a process that was killed between the two is made good the next time the frame is opened.
"""

from __future__ import annotations

import json
import os
import time
import zlib
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np

from outtake.core.errors import ConfigError, OutputError
from outtake.core.files import replace_file
from outtake.core.types import Frame
from outtake.studio.label_png import read_label_png, write_label_png
from outtake.studio.strokes import (
    UNLABELLED,
    Action,
    History,
    apply_action,
    check_action,
    find_runs,
)

_KEPT_FRAMES = 6


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

    Raises:
        UnreadableImageError: The mask is of another size or kind, or holds what is no class.
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
        self._log = folder / "strokes" / f"{name}.jsonl"
        self._mask = folder / "train/masks" / f"{name}.png"
        self._image = folder / "train/images" / f"{name}.png"
        self.history = History()
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
        before, former = self._write_lines(actions), self.history
        draws_only = all(action["tool"] not in ("undo", "redo") for action in actions)
        self.history = trial
        if draws_only:
            for action in actions:
                apply_action(self.labels, action)
        else:
            self.labels = trial.draw(self._size)
        try:
            self._write_mask()
        except BaseException:
            # Whoever sent these is told that they are not saved, and sends them again.
            os.truncate(self._log, before)
            self.history, self.labels = former, former.draw(self._size)
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
        actions = []
        for place, line in enumerate(content[:whole].splitlines(), 1):
            try:
                actions.append(check_action(json.loads(line), self._size, self._classes))
            except (ValueError, RecursionError, ConfigError) as error:
                raise ConfigError(
                    f"{self._log}: line {place} is no action ({error}); move the file away, and "
                    "the mask stays as it is"
                ) from error
        return actions

    def _write_lines(self, actions: Sequence[Action]) -> int:
        """Write actions behind the others; return where they begin."""
        stamp = round(time.time(), 3)
        text = "".join(json.dumps({**each, "time": stamp}) + "\n" for each in actions)
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
        found = read_label_png(self._mask, self._size, self._classes)
        if np.array_equal(found, self.labels):
            return
        logged_ns = self._log.stat().st_mtime_ns if self._log.exists() else 0
        if self._mask.stat().st_mtime_ns < logged_ns:
            self._write_mask()
            return
        stroke = self.history.last_stroke + 1
        parts = find_runs(found, self.labels)
        self.append(
            self.revision, [{"stroke": stroke, "tool": "pixels", "by": "file", "parts": parts}]
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
                swapped = np.ascontiguousarray(self._read_image(self._number)[..., ::-1])
                packed = cv2.imencode(".png", swapped, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1]
                replace_file(self._image, lambda file: file.write(packed.tobytes()))
            write_label_png(self._mask, self.labels)
        except BaseException:
            if added:
                self._image.unlink(missing_ok=True)
            raise


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
