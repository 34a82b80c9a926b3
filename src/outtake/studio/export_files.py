"""What leaves a project: masks, cut-outs, outlines, the training set; file by file."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import PurePath
from typing import Any

import cv2
import numpy as np

from outtake.core.errors import ConfigError, OuttakeError
from outtake.core.types import LabelMap, Mask
from outtake.labelled_video.project_folder import CLASS_FILE, MASK_FOLDER
from outtake.refine.contours import contours_to_labelme, find_contours
from outtake.studio.label_png import encode_labels
from outtake.studio.project import Project
from outtake.studio.strokes import UNLABELLED

Entry = tuple[str, bytes]
Lock = AbstractContextManager[Any]
# Neither is taken for annotations beside masks, as text files of YOLO are.
_PROBLEMS, _NOTES = "problems.md", "notes.md"
_BARE_PIXELS = (
    "In {frames} of these masks pixels are black that nobody labelled: nothing is removed there. "
    "With 'Masks of all frames' (step 3) the network says what they are; 'Training set' keeps "
    "them as unlabelled.\n"
)
_IGNORED_NAME = "__ignore__"
_STORED = (".png", ".jpg")
_HARMFUL = set('/\\:*?"<>|')


class FrameExport:
    """Writes what a project knows of its frames into files.

    Args:
        project: The project.
        proposal: Returns the labels that a network gives a frame, uint8 (H, W); raises a
            ConfigError where there are none.
        lock: Held while the labels of a frame are read.
    """

    def __init__(self, project: Project, proposal: Callable[[int], LabelMap], lock: Lock) -> None:
        self._project, self._proposal, self._lock = project, proposal, lock
        self._names = name_frames(project.frames.picture_names)

    def name(self, number: int) -> str:
        """Return the name of a frame: its picture's without the ending, or its number."""
        return self._names[number] if self._names else f"{number:06d}"

    def object_mask(self, number: int) -> Mask | None:
        """Return which pixels are an object, bool (H, W); None if nothing is known of a frame.

        Labels count where there are any, and the network elsewhere.
        """
        return self._find_object(number)[0]

    def cutout(self, number: int) -> bytes:
        """Return a frame as a PNG that is transparent where there is no object.

        Raises:
            ConfigError: Nothing is known of the frame.
        """
        mask = self.object_mask(number)
        if mask is None:
            raise ConfigError(
                f"frame {number} has no label, and no network has looked at it; mark the object"
            )
        image = self._project.frames.read(number)
        alpha = mask.astype(np.uint8) * 255
        pixels = np.dstack([image[..., ::-1], alpha])
        pixels[~mask] = 0  # what is not seen does not leave
        return bytes(cv2.imencode(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, 3])[1].tobytes())

    def masks(self) -> Iterator[Entry]:
        """Yield the mask of each frame of which something is known, 0 and 255.

        Where pixels are neither labelled nor known to a network, a note says in how many frames.
        """
        bare = 0
        for number in self._known_frames():
            mask, is_bare = self._find_object(number)
            if mask is not None:
                bare += is_bare
                yield f"{self.name(number)}.png", encode_labels(mask.astype(np.uint8) * 255)
        if bare:
            yield _NOTES, _BARE_PIXELS.format(frames=bare).encode()

    def cutouts(self) -> Iterator[Entry]:
        """Yield the cut-out of each labelled frame."""
        for number in self._project.labelled_frames():
            yield f"{self.name(number)}.png", self.cutout(number)

    def labelme(self) -> Iterator[Entry]:
        """Yield each labelled frame with its outlines, which draw the same pixels again."""
        names = [*self._project.classes]
        names += [_IGNORED_NAME] * (UNLABELLED + 1 - len(names))
        for number in self._project.labelled_frames():
            contours = find_contours(self._labels(number), ignore_index=0)
            image = f"{self.name(number)}.png"
            tree = contours_to_labelme(contours, self._project.size, names, image)
            yield f"{self.name(number)}.json", json.dumps(tree, ensure_ascii=False).encode()
            yield image, self._picture(number)

    def training_set(self) -> Iterator[Entry]:
        """Yield the folder that ``data=folder`` reads: classes, images and masks."""
        yield CLASS_FILE, (self._project.folder / CLASS_FILE).read_bytes()
        for number in self._project.labelled_frames():
            name = f"{self.name(number)}.png"
            yield f"train/images/{name}", self._picture(number)
            yield (MASK_FOLDER / name).as_posix(), encode_labels(self._labels(number))

    def _find_object(self, number: int) -> tuple[Mask | None, bool]:
        """Return the mask of a frame, and whether some of its pixels are known to nobody."""
        labels = self._labels(number)
        bare = labels == UNLABELLED
        found = _is_object(labels)
        if not bare.any():
            return found, False
        try:
            return np.where(bare, _is_object(self._proposal(number)), found), False
        except OuttakeError:
            return None if bare.all() else found, True

    def _known_frames(self) -> Sequence[int]:
        try:
            self._proposal(0)
        except OuttakeError:
            return self._project.labelled_frames()
        return range(self._project.frames.count)

    def _labels(self, number: int) -> LabelMap:
        with self._lock:
            return self._project.labels[number].labels.copy()

    def _picture(self, number: int) -> bytes:
        image = np.ascontiguousarray(self._project.frames.read(number)[..., ::-1])
        return bytes(cv2.imencode(".png", image, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].tobytes())


def _is_object(labels: LabelMap) -> Mask:
    return np.asarray((labels > 0) & (labels != UNLABELLED))


def name_frames(pictures: Sequence[str]) -> list[str]:
    """Return the names of pictures without their endings, by which masks of them are found again.

    Empty where two are the same, or one is none that every system takes.
    """
    found = [PurePath(name).stem for name in pictures]
    plain = all(name.isprintable() and not _HARMFUL & set(name) for name in found)
    return found if plain and len(set(map(str.casefold, found))) == len(found) else []


def pack(entries: Iterator[Entry]) -> Iterator[bytes]:
    """Yield the bytes of a zip of entries, one of which is in memory at a time.

    What cannot be read ends it with an entry that says so: a download that has begun cannot say
    it in another way.
    """
    parts = _Parts()
    with zipfile.ZipFile(parts, "w", zipfile.ZIP_DEFLATED) as archive:
        try:
            for name, content in entries:
                kind = zipfile.ZIP_STORED if name.endswith(_STORED) else zipfile.ZIP_DEFLATED
                archive.writestr(_entry(name), content, kind)
                yield parts.take()
        except (OuttakeError, OSError) as error:
            archive.writestr(_entry(_PROBLEMS), f"this zip is not whole: {error}\n")
    yield parts.take()


def _entry(name: str) -> zipfile.ZipInfo:
    # The same labels give the same bytes, whenever they are packed.
    entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    entry.external_attr = 0o644 << 16
    return entry


class _Parts(io.RawIOBase):
    """A file that is written to its end, and whose bytes are taken as they come."""

    def __init__(self) -> None:
        super().__init__()
        self._waiting = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, content: Any) -> int:
        self._waiting += content
        return len(content)

    def take(self) -> bytes:
        found = bytes(self._waiting)
        self._waiting.clear()
        return found
