"""Decoded samples that are kept: in memory, or where they are too many in a mapped file."""

from __future__ import annotations

import mmap
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from threading import Lock

import cv2
import numpy as np
from numpy.typing import NDArray

from outtake.core.errors import OutputError
from outtake.core.files import check_folder
from outtake.data.dataset import SegmentationDataset
from outtake.data.source import warn_of_data

MIB = 2**20


class SampleCache:
    """Keeps the decoded samples of data sets, as long as there is room.

    Args:
        limit_mib: The most memory of all together.
        folder: Where a file is made for a data set that needs more; None makes none.
    """

    def __init__(self, limit_mib: int, folder: str | None = None) -> None:
        self._free_bytes = limit_mib * MIB
        self._folder = None if folder is None else Path(folder).expanduser()

    def fill(
        self,
        dataset: SegmentationDataset,
        what: str,
        title: str,
        sizes: Sequence[tuple[int, int]],
    ) -> None:
        """Read a data set into memory or into a file, or say that neither has the room.

        Args:
            dataset: The data set.
            what: What it is, for messages.
            title: The title of the progress bar.
            sizes: The (height, width) of the files.

        Raises:
            OutputError: The folder cannot be written, or its disk has too little room.
        """
        needed, mapped = dataset.cache_bytes(sizes), None
        if needed > self._free_bytes:
            said = (
                f"the {what} needs {needed // MIB} MiB of memory and the cache has "
                f"{self._free_bytes // MIB} left: it is"
            )
            if self._folder is None:
                warn_of_data(
                    f"{said} read from disk each time; raise data.cache_limit_mib, name "
                    "data.cache_folder=PATH for a file that holds it decoded, lower "
                    "data.short_side, or set data.cache=false"
                )
                return
            mapped = MappedArrays(self._folder, needed)
            warn_of_data(
                f"{said} kept decoded in a file in {self._folder}, which goes when the run ends"
            )
        # OpenCV's thread pool does not survive the fork of a worker, so none is made before.
        cv2.setNumThreads(0)
        dataset.cache(title, None if mapped is None else mapped.store)
        if mapped is None:
            self._free_bytes -= needed


class MappedArrays:
    """Arrays in a file that is mapped into memory and has no name.

    Processes that are forked share it, the system drops its pages when memory is short, and the
    file goes with the last process, however that ends. Each rank of a run has its own.

    Args:
        folder: The folder of the file; it is made.
        size_bytes: The bytes of all arrays, which are reserved on the disk at once.

    Raises:
        OutputError: The folder cannot be written, or its disk has too little room.
    """

    def __init__(self, folder: Path, size_bytes: int) -> None:
        check_folder(folder)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            free = shutil.disk_usage(folder).free
            if free < size_bytes:
                raise OutputError(
                    f"data.cache_folder={folder}: {size_bytes / 1e9:.1f} GB are needed and "
                    f"{free / 1e9:.1f} GB are free: make room, or name another folder"
                )
            with tempfile.TemporaryFile(dir=folder) as file:
                if hasattr(os, "posix_fallocate"):
                    # A full disk would else end the process at some later write, without a word.
                    os.posix_fallocate(file.fileno(), 0, size_bytes)
                else:
                    file.truncate(size_bytes)
                self._map = mmap.mmap(file.fileno(), size_bytes)
        except OSError as error:
            reason = error.strerror or error
            raise OutputError(f"data.cache_folder={folder}: cannot be used: {reason}") from error
        self._used = 0
        self._lock = Lock()

    def store(self, array: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Copy an array into the file and return it there."""
        with self._lock:
            start = self._used
            self._used += array.nbytes
        there = np.frombuffer(self._map, np.uint8, array.nbytes, start).reshape(array.shape)
        there[...] = array
        return there
