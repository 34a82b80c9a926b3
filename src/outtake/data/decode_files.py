"""Decode image files to the samples that they store, of any depth, type and channel count."""

from __future__ import annotations

import importlib
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError, features

from outtake.core.errors import UnreadableImageError
from outtake.core.memory import free_memory_bytes
from outtake.data.stored_mask import StoredMask

# Pillow refuses what has 180 million pixels; here what memory has no room for is refused.
Image.MAX_IMAGE_PIXELS = None
_CHECKED_FROM_BYTES = 100_000_000
_COPIES = 3  # as decoded, turned and converted

_SUFFIXES = {
    ".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".gif", ".npy",
    ".ppm", ".pgm", ".pbm", ".pnm", ".tga",
}  # fmt: skip
_OPTIONAL_CODECS = {".webp": "webp", ".avif": "avif", ".jp2": "jpg_2000"}
_HEIC_SUFFIXES = {".heic", ".heif"}


def _register_heic() -> bool:
    """Teach Pillow HEIC by either of two packages, where one is installed."""
    for package in ("pillow_heif", "pi_heif"):
        with suppress(ImportError):
            importlib.import_module(package).register_heif_opener()
            return True
    return False


IMAGE_SUFFIXES = frozenset(
    _SUFFIXES
    | {suffix for suffix, codec in _OPTIONAL_CODECS.items() if features.check(codec)}
    | (_HEIC_SUFFIXES if _register_heic() else set())
)
LOSSY_SUFFIXES = frozenset({".jpg", ".jpeg", ".avif", *_HEIC_SUFFIXES})
TIFF_SUFFIXES = frozenset({".tif", ".tiff"})

# TIFF 6.0, sections 8, 18 and 19
_BITS_PER_SAMPLE, _SAMPLES_PER_PIXEL, _EXTRA_SAMPLES, _SAMPLE_FORMAT = 258, 277, 338, 339
_ORIENTATION = 274
# tifffile names it where it needs it, as for LZW, the usual compression of many programs.
_CODECS_PACKAGE = "imagecodecs"
# What becomes of rows and columns, in this order: 6 is turned clockwise for display.
_TRANSPOSED, _UPSIDE_DOWN, _MIRRORED = (5, 6, 7, 8), (3, 4, 7, 8), (2, 3, 6, 7)
_EXIF_CHUNKS = (b"eXIf", b"tEXt", b"zTXt", b"iTXt")
_MODES_TO_RGB = frozenset({"P", "PA", "CMYK", "YCbCr", "LAB", "HSV"})
_DEFLATE_RATIO = 1032  # of RFC 1951: a match of 258 bytes takes two bits at least
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"

# Whoever reads files knows whether another one goes with this, as a mask does in a data set.
UNREADABLE_ADVICE = "; replace the file, or leave it out"
NO_PICTURE = "it is no picture of a format that can be read"

Array = NDArray[Any]


def unreadable_error(path: str | Path, reason: object) -> UnreadableImageError:
    """Return the error for a file that cannot be decoded."""
    if isinstance(reason, UnidentifiedImageError):  # whose text names an object of Python
        is_empty = Path(path).is_file() and not Path(path).stat().st_size
        reason = "it is empty" if is_empty else NO_PICTURE
    return UnreadableImageError(f"cannot read {path}: {reason}{UNREADABLE_ADVICE}")


def decode_mask_file(path: Path) -> StoredMask:
    """Return the samples of a file as they are stored, with what its palette or depth tells.

    Raises:
        UnreadableImageError: As for :func:`decode_file`.
    """
    if path.suffix.lower() == ".npy":
        stored = StoredMask(_decode_npy(path))
    else:
        stored = _decode(path, True, 0)
    values = stored.values.astype(stored.values.dtype.newbyteorder("="), copy=False)
    return replace(stored, values=values, white=1 if values.dtype == np.bool_ else stored.white)


def decode_file(path: Path, *, palette_indices: bool, bytes_per_pixel: int = 0) -> Array:
    """Return the samples of a file in the byte order of this machine, (H, W) or (H, W, C).

    The orientation that its EXIF data tell is applied. Of a TIFF with several images the first
    series is read.

    Args:
        path: The file.
        palette_indices: Keep what is stored: the indices of a palette, which otherwise becomes RGB,
            and the numbers of fewer than 8 bits, which otherwise become shades.
        bytes_per_pixel: What is made of each pixel afterwards, if that takes more than the samples:
            the room for it is looked for before anything is decoded.

    Raises:
        UnreadableImageError: The file is missing, truncated, or of a kind that is not supported; or
            there is no room for its pixels.
    """
    if path.suffix.lower() == ".npy":
        array = _decode_npy(path)
    else:
        array = _decode(path, palette_indices, bytes_per_pixel).values
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def is_lossy(path: Path) -> bool:
    """Return whether a file's format changes values: JPEG, HEIC, AVIF, and lossy WebP."""
    if path.suffix.lower() != ".webp":
        return path.suffix.lower() in LOSSY_SUFFIXES
    with suppress(OSError), path.open("rb") as file:
        # RIFF....WEBP, then VP8 (lossy), VP8L (lossless) or VP8X (either of them later).
        head = file.read(4096)
        return b"VP8L" not in head and head[8:12] == b"WEBP"
    return False


def _decode_npy(path: Path) -> Array:
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        # NumPy takes what is no array for pickled objects, and says how those are loaded.
        is_other = isinstance(error, ValueError) and "pickle" in str(error)
        reason = "it holds no array of numbers, as numpy.save writes it" if is_other else error
        raise unreadable_error(path, reason) from error
    if not isinstance(array, np.ndarray) or array.ndim not in (2, 3) or 0 in array.shape:
        raise unreadable_error(path, "it does not hold one array (height, width[, channels])")
    return array


def _decode(path: Path, palette_indices: bool, bytes_per_pixel: int) -> StoredMask:
    tiff = path.suffix.lower() in TIFF_SUFFIXES
    try:
        # By a handle: what Pillow maps into memory by its name, it misreads where it is turned.
        with path.open("rb") as file, Image.open(file) as picture:
            each = len(picture.getbands()) * (4 if picture.mode in "IF" else 1)
            pixels = picture.width * picture.height
            _refuse_empty_promise(picture, path)
            check_memory(path, picture.size, pixels * max(each, bytes_per_pixel))
            if not tiff or is_plain_tiff(picture):
                return _decode_pillow(picture, path, palette_indices)
    except FileNotFoundError as error:
        raise unreadable_error(path, "no such file") from error
    except (OSError, SyntaxError, ValueError) as error:
        if not tiff:
            raise unreadable_error(path, error) from error
    return StoredMask(_decode_tifffile(path, bytes_per_pixel))


def _refuse_empty_promise(picture: Image.Image, path: Path) -> None:
    """Refuse a PNG whose header promises more pixels than its bytes can hold.

    Raises:
        UnreadableImageError: No data of deflate, which all PNG are, can be so small.
    """
    if picture.format != "PNG":
        return
    size = path.stat().st_size
    bits = 1 if picture.mode in ("1", "P", "L") else 8 * len(picture.getbands())
    if picture.width * picture.height * bits > 8 * _DEFLATE_RATIO * size:
        raise unreadable_error(
            path,
            f"its header promises {picture.width} x {picture.height} pixels, which no PNG of "
            f"{size} bytes can hold",
        )


def check_memory(path: Path, shape: tuple[int, ...], size_bytes: int) -> None:
    """Refuse an image of which the machine cannot hold the pixels, however small its file is.

    Args:
        path: The file, for the message.
        shape: Its sides, for the message.
        size_bytes: What the pixels take once; room for three copies must be free.

    Raises:
        UnreadableImageError: There is less.
    """
    if size_bytes < _CHECKED_FROM_BYTES:
        return
    free = free_memory_bytes()
    if free is not None and _COPIES * size_bytes > free:
        raise unreadable_error(
            path,
            f"{' x '.join(map(str, shape))} take {_COPIES * size_bytes / 1e9:.1f} GB of memory to "
            f"decode, and {free / 1e9:.1f} GB are free; cut it into tiles",
        )


def _decode_pillow(picture: Image.Image, path: Path, palette_indices: bool) -> StoredMask:
    frames = getattr(picture, "n_frames", 1)
    if frames > 1 and picture.format != "MPO":  # a phone's second picture is a preview
        raise unreadable_error(path, f"it holds {frames} pictures, not one")
    if _is_deep_colour_png(path):
        return StoredMask(_decode_deep_png(picture, path))
    white = _find_white(picture, path) if palette_indices else None
    values = read_pixels(picture, palette_indices=palette_indices)
    if not palette_indices:
        return StoredMask(values)
    if white is not None and values.dtype != np.bool_:  # Pillow gives shades
        values = np.rint(values * (white / 255)).astype(np.uint8)
    triples = picture.getpalette("RGB") if picture.mode in ("P", "PA") else None
    palette = None if triples is None else np.array(triples, np.uint8).reshape(-1, 3)
    return StoredMask(values, palette, white)


def _find_white(picture: Image.Image, path: Path) -> int | None:
    """Return the largest number of a gray picture of fewer than 8 bits; None for others."""
    if picture.mode == "1":
        return 1
    if picture.mode != "L":
        return None
    bits = 8
    if picture.format == "PNG":
        with path.open("rb") as file:
            bits = file.read(25)[24]
    elif picture.format == "TIFF":
        bits = getattr(picture, "tag_v2", {}).get(_BITS_PER_SAMPLE, (8,))[0]
    elif picture.format == "PPM" and (tiles := getattr(picture, "tile", None)):
        # The largest value, which the header names.
        most = tiles[0].args[-1] if isinstance(tiles[0].args, tuple) else None
        return most if isinstance(most, int) and 0 < most < 255 else None
    return 2**bits - 1 if bits < 8 else None


def read_pixels(picture: Image.Image, *, palette_indices: bool = False) -> Array:
    """Return the pixels of a picture as its EXIF data turn it, in gray or RGB where it has another.

    Args:
        picture: The picture, of Pillow.
        palette_indices: Keep what is stored, such as the indices of a palette.
    """
    turned = ImageOps.exif_transpose(picture)
    if palette_indices:
        return np.array(turned)
    if turned.mode in _MODES_TO_RGB:
        turned = turned.convert("RGB")
    elif turned.mode == "1":
        turned = turned.convert("L")
    return np.array(turned)


def _is_deep_colour_png(path: Path) -> bool:
    """Return whether a PNG has 16 bits and colours, of which Pillow keeps the high byte only."""
    with path.open("rb") as file:
        head = file.read(26)
    return head[:8] == PNG_SIGNATURE and head[24] == 16 and head[25] in (2, 6)


def _decode_deep_png(picture: Image.Image, path: Path) -> Array:
    content = path.read_bytes()
    array = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if array is None or array.ndim != 3:
        raise unreadable_error(path, "the PNG of 16 bits is damaged")
    code = cv2.COLOR_BGR2RGB if array.shape[2] == 3 else cv2.COLOR_BGRA2RGBA
    # Pillow decodes all pixels to look behind them: only where one of the chunks is there.
    told = any(chunk in content for chunk in _EXIF_CHUNKS)
    orientation = picture.getexif().get(_ORIENTATION) if told else None
    return _turn(np.asarray(cv2.cvtColor(array, code)), orientation)


def _turn(array: Array, orientation: object) -> Array:
    """Return rows and columns, the first two axes, as an EXIF orientation turns them."""
    if orientation in _TRANSPOSED:
        array = array.swapaxes(0, 1)
    if orientation in _UPSIDE_DOWN:
        array = array[::-1]
    if orientation in _MIRRORED:
        array = array[:, ::-1]
    return np.ascontiguousarray(array)


def is_plain_tiff(picture: Image.Image) -> bool:
    """Return whether Pillow decodes a TIFF to what it stores."""
    # Pillow opens some files of many channels as their first band, several images as their
    # first, keeps one byte of deep colours, and divides the channels by an alpha that they
    # were multiplied with.
    tags = getattr(picture, "tag_v2", {})
    samples = tags.get(_SAMPLES_PER_PIXEL, 1)
    bands = len(picture.getbands())
    one_image = getattr(picture, "n_frames", 1) == 1
    multiplied = tags.get(_EXTRA_SAMPLES) == (1,)
    deep = bands > 1 and max(tags.get(_BITS_PER_SAMPLE, (8,))) > 8
    wide = picture.mode == "I" and 1 in tags.get(_SAMPLE_FORMAT, (1,))  # uint32, shown as int32
    known = one_image and samples in (1, 3, 4) and samples == bands
    return known and not (multiplied or deep or wide)


def needs_codecs(error: ValueError) -> bool:
    """Return whether tifffile has no decoder for the compression of a file."""
    return _CODECS_PACKAGE in str(error)


def decode_compressed_tiff(path: Path, series: tifffile.TiffPageSeries) -> Array:
    """Return the samples of a TIFF whose compression tifffile has no decoder for, turned.

    Raises:
        UnreadableImageError: OpenCV does not give them as they are stored.
    """
    deep = series.dtype in (np.uint16, np.float32)  # colours of 8 bits it multiplies by alpha
    if deep and series.axes in ("YX", "YXS"):
        array = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
        found = None if array is None else (array.size, array.dtype, array.shape[2:])
        if array is not None and found == (series.size, series.dtype, series.shape[2:]):
            order = {3: cv2.COLOR_BGR2RGB, 4: cv2.COLOR_BGRA2RGBA}.get(array[0, 0].size)
            return np.asarray(array if order is None else cv2.cvtColor(array, order))
    raise unreadable_error(
        path,
        f"its compression, of {' x '.join(map(str, series.shape))} samples of {series.dtype}, "
        f"needs pip install {_CODECS_PACKAGE}; Deflate (ZIP) or none at all does not",
    )


def _decode_tifffile(path: Path, bytes_per_pixel: int) -> Array:
    try:
        with tifffile.TiffFile(path) as tiff:
            series = tiff.series[0]
            sides = dict(zip(series.axes, series.shape, strict=True))
            pixels = sides.get("Y", 1) * sides.get("X", 1)
            samples_bytes = series.size * series.dtype.itemsize
            check_memory(path, tuple(series.shape), max(samples_bytes, pixels * bytes_per_pixel))
            try:
                axes, array = series.axes, series.asarray()
            except ValueError as error:
                if not needs_codecs(error):
                    raise
                return decode_compressed_tiff(path, series)
            orientation = tiff.pages.first.tags.valueof(_ORIENTATION)
    except UnreadableImageError:
        raise
    # tifffile raises whatever its decoders raise on damaged input.
    except Exception as error:
        raise unreadable_error(path, error) from error
    counts = Counter(axes)
    if counts["Y"] != 1 or counts["X"] != 1 or len(axes) not in (2, 3):
        raise unreadable_error(path, f"axes {axes} are not height, width and channels")
    array = np.asarray(array)
    if axes != "YX":
        channel_axis = next(position for position, axis in enumerate(axes) if axis not in "YX")
        array = np.moveaxis(array, channel_axis, -1)
    return _turn(array, orientation)
