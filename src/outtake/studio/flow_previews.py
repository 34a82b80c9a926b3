"""What the labels of a project become on the frames between, computed while nobody waits for it.

The maps are kept in ``flow/`` of the project under the number of the frame and what they were made
from, so that none outlives the labels it came from. They are never in ``train/``.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from outtake.core.errors import OuttakeError
from outtake.core.types import Frame, LabelMap
from outtake.labelled_video.project_folder import MASK_FOLDER
from outtake.studio.flow_carrying import REACH, carry_labels
from outtake.studio.label_png import write_label_png
from outtake.studio.project import Project

FLOW = "flow"
# While somebody draws, the processors are his.
_QUIET_S = 1.0
_WAIT_S = 0.25
_NICENESS = 10
_VERSION = 1
Stamps = dict[int, tuple[int, int]]


@dataclass(frozen=True)
class Gap:
    """Frames without labels, and those with labels at their ends.

    Attributes:
        before: The labelled frame before them; None if there is none near.
        after: The one after them.
        first, last: The frames that are looked at, with those that are labelled.
    """

    before: int | None
    after: int | None
    first: int
    last: int


def find_gap(labelled: list[int], number: int, count: int) -> Gap | None:
    """Return the gap that a frame lies in; None if no labelled frame is within reach."""
    if number in labelled:
        return None
    before = max((each for each in labelled if number - REACH <= each < number), default=None)
    after = min((each for each in labelled if number < each <= number + REACH), default=None)
    if before is None and after is None:
        return None
    if before is not None and after is None:
        return Gap(before, None, before, min(before + REACH, count - 1))
    if before is None and after is not None:
        return Gap(None, after, max(after - REACH, 0), after)
    assert before is not None and after is not None
    return Gap(before, after, before, after)


class FlowPreviews:
    """Labels carried to frames that have none; close it at the end.

    Args:
        project: The project, whose masks on the disk are what is carried.
    """

    def __init__(self, project: Project) -> None:
        self._project = project
        self._folder = project.folder / FLOW
        self._changed = threading.Condition()
        self._focus: int | None = None
        self._closed = False
        self._failed: tuple[Gap, Stamps] | None = None
        self._thread: threading.Thread | None = None

    def find(self, number: int) -> LabelMap | None:
        """Return the labels carried to a frame, uint8 (h, w); None while they are not there.

        What is missing is begun to be computed, that of this frame first.
        """
        stamps = self._stamps()
        gap = find_gap(sorted(stamps), number, self._project.frames.count)
        if gap is None:
            return None
        path = self._path(gap, stamps, number)
        if path.is_file():
            found = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
            if found is not None and found.ndim == 2 and found.dtype == np.uint8:
                return np.asarray(found)
        with self._changed:
            self._focus = number
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(target=self._work, name="studio-flow", daemon=True)
                self._thread.start()
            self._changed.notify()
        return None

    def is_coming(self, number: int) -> bool:
        """Return whether a frame that has none yet will have some."""
        stamps = self._stamps()
        gap = find_gap(sorted(stamps), number, self._project.frames.count)
        return gap is not None and self._failed != (gap, stamps)

    def close(self) -> None:
        """End what is computed."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()

    def _work(self) -> None:
        with contextlib.suppress(OSError):  # of this thread alone
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
        while True:
            with self._changed:
                while self._focus is None and not self._closed:
                    self._changed.wait()
                if self._closed:
                    return
                number, self._focus = self._focus, None
            assert number is not None
            stamps = self._wait_until_quiet()
            gap = find_gap(sorted(stamps), number, self._project.frames.count)
            if gap is None or self._closed or self._path(gap, stamps, number).is_file():
                continue
            try:
                self._compute(gap, stamps)
            except (OuttakeError, OSError):
                self._failed = gap, stamps

    def _wait_until_quiet(self) -> Stamps:
        while True:
            stamps = self._stamps()
            newest = max((stamp[0] for stamp in stamps.values()), default=0)
            age_s = time.time() - newest / 1e9
            if age_s > _QUIET_S or age_s < 0 or self._closed:
                return stamps
            with self._changed:
                self._changed.wait(_WAIT_S)

    def _compute(self, gap: Gap, stamps: Stamps) -> None:
        def frames() -> Iterator[Frame]:
            for frame in self._project.frames.read_on(gap.first, gap.last):
                if self._is_over(gap, stamps):
                    return
                yield frame

        ends = [None if n is None else self._read_mask(n) for n in (gap.before, gap.after)]
        labelled, count = sorted(stamps), self._project.frames.count
        self._folder.mkdir(exist_ok=True)
        for place, labels in carry_labels(frames(), *ends):
            if self._is_over(gap, stamps):
                return
            number = gap.first + place
            # Gaps overlap where one of two labelled frames is out of reach: a map of another gap
            # is that of its frame, and would only be lost to this one.
            if find_gap(labelled, number, count) != gap:
                continue
            for old in self._folder.glob(f"{number:06d}_*.png"):
                old.unlink(missing_ok=True)
            write_label_png(self._path(gap, stamps, number), labels)

    def _is_over(self, gap: Gap, stamps: Stamps) -> bool:
        """Return whether the labels are others now, or another gap is looked at."""
        now = self._stamps()
        focus = self._focus
        elsewhere = focus is not None and not gap.first <= focus <= gap.last
        ends = (gap.before, gap.after)
        same = all(now.get(n) == stamps.get(n) for n in ends if n is not None)
        return self._closed or elsewhere or not same or bool(_inside(gap, now))

    def _read_mask(self, number: int) -> LabelMap:
        path = self._project.folder / MASK_FOLDER / f"{number:06d}.png"
        found = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        if found is None or found.shape != self._project.size:
            raise OSError(f"{path}: cannot be read")
        return np.asarray(found, np.uint8)

    def _stamps(self) -> Stamps:
        """Return what tells whether the mask of a labelled frame has changed, by its number."""
        found: Stamps = {}
        for number in self._project.labelled_frames():
            with contextlib.suppress(OSError):
                path = self._project.folder / MASK_FOLDER / f"{number:06d}.png"
                stat = path.stat()
                found[number] = stat.st_mtime_ns, stat.st_size
        return found

    def _path(self, gap: Gap, stamps: Stamps, number: int) -> Path:
        ends = [(n, stamps.get(n)) for n in (gap.before, gap.after) if n is not None]
        key = zlib.crc32(repr((_VERSION, ends)).encode())
        return self._folder / f"{number:06d}_{key:08x}.png"


def _inside(gap: Gap, stamps: Stamps) -> list[int]:
    """Return the frames that were labelled meanwhile between the ends of a gap."""
    return [n for n in stamps if gap.first < n < gap.last and n not in (gap.before, gap.after)]
