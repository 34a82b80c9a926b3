"""The official file of NYU Depth V2: 1,449 images and labels in one file of MATLAB 7.3 (HDF5)."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from outtake.core.errors import ConfigError, DataRootError, UnreadableImageError
from outtake.core.types import Frame, LabelMap
from outtake.data.matlab_file import read_matlab

FILE_NAME = "nyu_depth_v2_labeled.mat"
_SPLIT_KEYS = {"train": "trainNdxs", "test": "testNdxs"}


class NyuFile:
    """The images and labels of ``nyu_depth_v2_labeled.mat``.

    It is opened for each read, so that any process can have the object. Beside it lie
    ``splits.mat``, with the numbers of the official split, and ``classMapping40.mat`` (Gupta et
    al., 2013), with the class of 40 that each of the file's 894 belongs to.

    Args:
        path: The file.

    Raises:
        ConfigError: h5py is not installed.
        DataRootError: A file beside it is missing.
        UnreadableImageError: A file is damaged.
    """

    def __init__(self, path: Path) -> None:
        if importlib.util.find_spec("h5py") is None:
            raise ConfigError(f"{path} is HDF5: pip install 'outtake[nyu]' reads it")
        self.path = path
        self._numbers = {
            split: _read_beside(path, "splits.mat", key) for split, key in _SPLIT_KEYS.items()
        }
        mapping = _read_beside(path, "classMapping40.mat", "mapClass")
        # Label 0 is unlabelled in both.
        self._classes = np.array([0, *mapping], np.uint8)

    def numbers(self, split: str) -> list[int]:
        """Return the numbers of the images of ``train`` or ``test``, from 1 on."""
        return self._numbers[split]

    def read_image(self, number: int) -> Frame:
        """Return an image, uint8 (H, W, 3) RGB."""
        stored = self._read("images", number)  # (3, W, H): MATLAB counts the axes the other way
        return np.ascontiguousarray(stored.transpose(2, 1, 0), dtype=np.uint8)

    def read_labels(self, number: int) -> LabelMap:
        """Return classes of 40, uint8 (H, W), 0 where unlabelled.

        Raises:
            UnreadableImageError: A label is none of those that ``classMapping40.mat`` lists.
        """
        stored = self._read("labels", number).T
        if stored.max() >= len(self._classes):
            raise UnreadableImageError(
                f"{self.path} holds the label {stored.max()} in image {number}, and "
                f"classMapping40.mat lists {len(self._classes) - 1}; restore the files"
            )
        return np.ascontiguousarray(self._classes[stored])

    def _read(self, name: str, number: int) -> NDArray[Any]:
        import h5py

        try:
            with h5py.File(self.path) as file:
                return np.asarray(file[name][number - 1])
        except Exception as error:  # whatever HDF5 raises on damaged input
            raise UnreadableImageError(
                f"cannot read image {number} of {self.path}: {error}; restore the file"
            ) from error


def _read_beside(path: Path, name: str, key: str) -> list[int]:
    if not path.with_name(name).is_file():
        raise DataRootError(f"{path} needs {name} beside it")
    return [int(each) for each in read_matlab(path.with_name(name), key).ravel()]
