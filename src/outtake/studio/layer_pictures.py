"""The pictures of layers: decoded from what was uploaded, kept as RGBA PNG under their digest.

Digests are the names of the files ``PROJECT/layers/1f0c9a5be2d47380.png``, so a picture that is
used twice is stored once, and no text of a request becomes a path.
"""

from __future__ import annotations

import hashlib
import io
import re
import threading
import warnings
from collections import OrderedDict
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps

from outtake.core.errors import ConfigError, DataRootError, UnreadableImageError
from outtake.core.files import replace_file
from outtake.core.types import Frame
from outtake.data.decode_files import PNG_SIGNATURE

FOLDER = "layers"
MAX_UPLOAD_BYTES = 64 << 20
MAX_PICTURE_PIXELS = 8192 * 8192
MAX_PICTURES = 400
# Canvases of browsers and the warping of OpenCV end somewhere above.
_MAX_SIDE = 16_384
_MAX_STORED_BYTES = 2 << 30
_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
_DIGEST = re.compile(r"[0-9a-f]{16}")
_KEPT_BYTES = 256 << 20
_PNG_BYTES_MOST_PACKED = 1032  # of RFC 1951: a match of 258 bytes takes two bits at least
_HEAD_BYTES = 26


class LayerPictures:
    """The pictures in the folder of a project.

    Args:
        folder: The project.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / FOLDER
        self._kept: OrderedDict[str, Frame] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, image: Frame) -> str:
        """Keep a picture, uint8 (H, W, 4), and return its digest.

        Raises:
            ConfigError: There are too many, or they take too much room.
            OutputError: It cannot be written.
        """
        code = cv2.COLOR_RGBA2BGRA
        options = [cv2.IMWRITE_PNG_COMPRESSION, 2]
        packed = cv2.imencode(".png", cv2.cvtColor(image, code), options)[1].tobytes()
        digest = hashlib.sha256(packed).hexdigest()[:16]
        path = self._path(digest)
        if not path.exists():
            stored = self._list()
            room = _MAX_STORED_BYTES - sum(each.stat().st_size for each in stored)
            if len(stored) >= MAX_PICTURES or len(packed) > room:
                raise ConfigError(
                    f"layers: a project keeps {MAX_PICTURES} pictures and "
                    f"{_MAX_STORED_BYTES >> 30} GiB of them; delete some, and open it again"
                )
            replace_file(path, lambda file: file.write(packed))
        self._keep(digest, image)
        return digest

    def read(self, digest: str) -> Frame:
        """Return a picture, uint8 (H, W, 4) RGBA, which is not to be changed.

        Raises:
            DataRootError: It is missing or damaged.
        """
        with self._lock:
            if digest in self._kept:
                self._kept.move_to_end(digest)
                return self._kept[digest]
        self.size(digest)
        found = cv2.imdecode(np.frombuffer(self.content(digest), np.uint8), cv2.IMREAD_UNCHANGED)
        if found is None or found.dtype != np.uint8 or found.ndim != 3 or found.shape[2] != 4:
            raise self._damage_error(digest)
        image = np.asarray(cv2.cvtColor(found, cv2.COLOR_BGRA2RGBA), np.uint8)
        self._keep(digest, image)
        return image

    def content(self, digest: str) -> bytes:
        """Return the bytes of the file of a picture; see :meth:`read` for the errors."""
        try:
            return self._path(digest).read_bytes()
        except OSError as error:
            raise self._damage_error(digest) from error

    def size(self, digest: str) -> tuple[int, int]:
        """Return the height and width of a picture by the head of its file.

        Raises:
            DataRootError: It is missing, or no PNG as it is written here.
        """
        try:
            with self._path(digest).open("rb") as file:
                head = file.read(_HEAD_BYTES)
        except OSError as error:
            raise self._damage_error(digest) from error
        width, height = int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")
        sound = head[:8] == PNG_SIGNATURE and head[24:26] == b"\x08\x06"
        if not sound or not _is_size(width, height):
            raise self._damage_error(digest)
        return height, width

    def keep_only(self, digests: set[str]) -> None:
        """Delete the files that are none of these pictures."""
        for path in self._list():
            if path.stem not in digests:
                path.unlink(missing_ok=True)

    def _list(self) -> list[Path]:
        return [path for path in self._folder.glob("*.png") if _DIGEST.fullmatch(path.stem)]

    def _path(self, digest: str) -> Path:
        if not _DIGEST.fullmatch(digest):
            raise ConfigError("picture: must be one that was added")
        return self._folder / f"{digest}.png"

    def _damage_error(self, digest: str) -> DataRootError:
        return DataRootError(
            f"{self._path(digest)}: is missing or damaged; put it back, or move layers.json away "
            "to begin without layers"
        )

    def _keep(self, digest: str, image: Frame) -> None:
        with self._lock:
            self._kept[digest] = image
            while len(self._kept) > 1 and sum(i.nbytes for i in self._kept.values()) > _KEPT_BYTES:
                self._kept.popitem(last=False)


def decode_picture(content: bytes) -> tuple[Frame, list[str]]:
    """Return an uploaded picture, uint8 (H, W, 4) RGBA, turned as its EXIF data say.

    Args:
        content: The bytes of a PNG, JPEG, WebP, GIF, BMP or TIFF; the name does not count.

    Returns:
        The picture, and a line for each thing that was converted.

    Raises:
        UnreadableImageError: It is none of these, damaged, or too large.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(content), formats=_FORMATS) as opened:
                _check_head(opened, content)
                notes = _list_conversions(opened, content)
                image = _to_rgba(opened)
    except (OSError, ValueError, SyntaxError, EOFError, MemoryError) as error:
        raise UnreadableImageError(
            f"the picture is damaged, or none of {', '.join(_FORMATS)}"
        ) from error
    except Image.DecompressionBombError as error:
        raise UnreadableImageError("the picture has too many pixels") from error
    return image, notes


def _check_head(opened: Image.Image, content: bytes) -> None:
    width, height = opened.size
    if not _is_size(width, height):
        raise UnreadableImageError(
            f"the picture has {width}x{height} pixels; a layer may have "
            f"{MAX_PICTURE_PIXELS / 1e6:.0f} million, and {_MAX_SIDE} on a side"
        )
    least_bits = 1 if opened.mode in ("1", "L", "P") else 8 * len(opened.getbands())
    promised = width * height * least_bits // 8
    if opened.format == "PNG" and promised > _PNG_BYTES_MOST_PACKED * len(content):
        raise UnreadableImageError(
            f"the picture promises {width}x{height} pixels, which no PNG of {len(content)} bytes "
            "can hold"
        )


def _list_conversions(opened: Image.Image, content: bytes) -> list[str]:
    notes = []
    if getattr(opened, "n_frames", 1) > 1 and opened.format != "MPO":
        notes.append(f"the first of its {getattr(opened, 'n_frames', 1)} pictures is taken")
    deep_png = opened.format == "PNG" and content[24:25] == b"\x10"
    if deep_png or opened.mode.startswith("I;16"):
        notes.append("its 16 bits become 8")
    if opened.mode in ("CMYK", "YCbCr", "LAB", "HSV"):
        notes.append(f"its {opened.mode} colours become RGB")
    return notes


def _to_rgba(opened: Image.Image) -> Frame:
    """Return the pixels, uint8 (H, W, 4)."""
    if opened.mode in ("I", "F"):
        raise UnreadableImageError("the picture has samples of 32 bits; store it with 8")
    turned = ImageOps.exif_transpose(opened)
    if turned.mode.startswith("I;16"):
        grey = (np.asarray(turned).astype(np.uint16) // 257).astype(np.uint8)
        turned = Image.fromarray(grey)
    return np.ascontiguousarray(np.asarray(turned.convert("RGBA"), np.uint8))


def _is_size(width: int, height: int) -> bool:
    fits = max(width, height) <= _MAX_SIDE and width * height <= MAX_PICTURE_PIXELS
    return min(width, height) >= 1 and fits
