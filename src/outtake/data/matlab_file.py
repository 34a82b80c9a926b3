"""Read files of MATLAB up to version 7, as some data sets keep their labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from outtake.core.errors import UnreadableImageError


def read_matlab(path: str | Path, key: str, field: str | None = None) -> NDArray[Any]:
    """Return one variable of a file, or one field of it where it is a structure.

    Raises:
        UnreadableImageError: The file is missing or damaged, or has no such variable.
    """
    from scipy.io import loadmat  # most data sets do without it

    try:
        found = loadmat(path)[key]
        return np.asarray(found if field is None else found[field][0, 0])
    except Exception as error:  # whatever scipy raises on damaged input
        raise UnreadableImageError(f"cannot read {path}: {error}; restore the file") from error
