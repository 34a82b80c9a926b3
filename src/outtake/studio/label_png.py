"""Label maps as PNG files of one channel, looked at before they are decoded; frames as PNG."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np

from outtake.core.errors import UnreadableImageError
from outtake.core.files import replace_file
from outtake.core.types import Frame, LabelMap
from outtake.data.decode_files import PNG_SIGNATURE

_HEAD_BYTES = 26
# Runs alone are looked for: of frames and of masks that is smaller than what levels 1 to 5 give
# otherwise, and as quick as level 1.
_PACKING = [
    cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE,
]  # fmt: skip
_PNG_END = b"\0\0\0\0IEND\xaeB`\x82"
_GREY, _INDEXED = 0, 3
_WITH_ALPHA = (4, 6)


def encode_labels(labels: LabelMap) -> bytes:
    """Return a map, uint8 (H, W), as the bytes of a PNG."""
    return bytes(cv2.imencode(".png", labels, _PACKING)[1].tobytes())


def encode_frame(image: Frame) -> bytes:
    """Return a picture, uint8 (H, W, 3) RGB, as the bytes of a PNG."""
    swapped = np.ascontiguousarray(image[..., ::-1])
    return bytes(cv2.imencode(".png", swapped, _PACKING)[1].tobytes())


def write_label_png(path: Path, labels: LabelMap) -> None:
    """Write a map, uint8 (H, W), whole or not at all.

    Raises:
        OutputError: It cannot be written.
    """
    packed = encode_labels(labels)
    replace_file(path, lambda file: file.write(packed))


def read_label_png(path: Path, size: tuple[int, int], classes: int) -> LabelMap:
    """Return the map in a file.

    Raises:
        UnreadableImageError: It is no PNG of this size with one channel of 8 bits, or holds a
            value that is neither a class nor 255.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UnreadableImageError(f"{path}: {error.strerror}") from error
    return decode_labels(content, size, classes, str(path))


def decode_labels(content: bytes, size: tuple[int, int], classes: int, name: str) -> LabelMap:
    """Return the map in the bytes of a PNG, see :func:`read_label_png`.

    Its header is compared first: a small file cannot ask for much memory.
    """
    head = content[:_HEAD_BYTES]
    found_size = _size_in_head(head)
    if found_size is None:
        raise UnreadableImageError(f"{name}: is no PNG")
    if found_size != size:
        raise UnreadableImageError(
            f"{name}: is {found_size[1]}x{found_size[0]}, and the frame {size[1]}x{size[0]}"
        )
    if head[24] != 8 or head[25] not in (_GREY,):
        kind = "indexed colours" if head[25] == _INDEXED else f"{head[24]} bits of kind {head[25]}"
        raise UnreadableImageError(f"{name}: has {kind}; a mask has one channel of 8 bits")
    found = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if found is None or found.dtype != np.uint8 or found.shape != size:
        raise UnreadableImageError(f"{name}: is damaged")
    values = np.unique(found)
    if wrong := [int(each) for each in values if classes <= each < 255]:
        raise UnreadableImageError(
            f"{name}: holds {wrong[0]}, and there are the classes 0 to {classes - 1}, and 255"
        )
    return np.asarray(found)


def is_whole_png(path: Path) -> bool:
    """Return whether a file begins and ends as a PNG does; what lies between is not looked at."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
            file.seek(-len(_PNG_END), os.SEEK_END)
            return _size_in_head(head) is not None and file.read() == _PNG_END
    except OSError:
        return False


def read_png_size(path: Path) -> tuple[int, int] | None:
    """Return the height and width that the header of a file says; None if it is no PNG."""
    try:
        with path.open("rb") as file:
            return _size_in_head(file.read(_HEAD_BYTES))
    except OSError:
        return None


def has_alpha(path: Path) -> bool:
    """Return whether the header of a file says that it is a PNG with alpha."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError:
        return False
    return _size_in_head(head) is not None and head[25] in _WITH_ALPHA


def _size_in_head(head: bytes) -> tuple[int, int] | None:
    if len(head) < _HEAD_BYTES or head[:8] != PNG_SIGNATURE or head[12:16] != b"IHDR":
        return None
    return int.from_bytes(head[20:24], "big"), int.from_bytes(head[16:20], "big")
