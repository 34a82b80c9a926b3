"""The masks of all frames that a network has made: where there are several classes, of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from outtake.core.errors import ConfigError, UnreadableImageError
from outtake.core.types import LabelMap, Mask
from outtake.studio.label_png import read_png_size
from outtake.studio.project import Project
from outtake.studio.strokes import UNLABELLED
from outtake.video.read.inputs import natural_sort_key

PROPOSALS = "proposals"
_NOT_YET = "the network has not looked at the clip yet; start that job first"
# They would all be offered as the first class.
_TOGETHER = (
    "the masks of the network do not tell classes apart; make them again: Masks of all frames"
)


def name_folders(project: Project) -> dict[int, str]:
    """Return the folder of the masks of each class, below that of all, by its id."""
    count = len(project.classes)
    return {1: "."} if count == 2 else {each: str(each) for each in range(1, count)}


class NetworkMasks:
    """Reads them as labels.

    They lie in one folder where there is one class beside the background; where there are more, in
    one for each, named by its id.

    Args:
        project: The project.
    """

    def __init__(self, project: Project) -> None:
        self._project = project
        self._folder = project.folder / PROPOSALS
        self._listed: dict[Path, tuple[int, Sequence[Path]]] = {}

    def exist(self) -> bool:
        """Return whether a network has said something of the frames."""
        return any(any(each.glob("*.png")) for each in self._folders().values())

    def read(self, number: int) -> LabelMap:
        """Return what a network says of a frame, uint8 (H, W).

        What is none of its classes is background, or unlabelled where it was not asked for all: it
        may be one of the others.

        Raises:
            OuttakeError: There is nothing, or a file is damaged.
        """
        count = self._project.frames.count
        listed = {each: self._list(folder) for each, folder in self._folders().items()}
        folders = {each: files for each, files in listed.items() if len(files) == count}
        if not folders and len(self._project.classes) > 2 and any(self._folder.glob("*.png")):
            raise ConfigError(_TOGETHER)
        if not folders:
            raise ConfigError(_NOT_YET)
        all_there = len(folders) == len(self._project.classes) - 1
        found = np.full(self._project.size, 0 if all_there else UNLABELLED, np.uint8)
        for each, files in folders.items():
            found[self._read(files[number])] = each
        return found

    def _folders(self) -> Mapping[int, Path]:
        """Return the folder of each class that has one."""
        found = {each: self._folder / name for each, name in name_folders(self._project).items()}
        return {each: folder for each, folder in found.items() if folder.is_dir()}

    def _list(self, folder: Path) -> Sequence[Path]:
        """Return the masks in a folder, which is listed again when it has changed."""
        stamp = folder.stat().st_mtime_ns
        if self._listed.get(folder, (0, ()))[0] != stamp:
            files = sorted(folder.glob("*.png"), key=natural_sort_key)
            self._listed[folder] = stamp, files
        return self._listed[folder][1]

    def _read(self, path: Path) -> Mask:
        """Return a mask, bool (H, W), white on black in its file."""
        if read_png_size(path) == self._project.size:
            picture = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
            if picture is not None:
                return np.asarray(picture > 127)
        raise UnreadableImageError(f"{path}: is no mask of this frame")
