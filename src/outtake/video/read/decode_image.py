"""Single pictures as files: colours as 8 or 16 bits, and alpha beside them."""

from __future__ import annotations

import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from outtake.core.errors import VideoError
from outtake.video.read.safety_limits import SafetyLimits

TIFF_SUFFIXES = (".tif", ".tiff")
RgbImage = NDArray[np.uint8] | NDArray[np.uint16]

# What a TIFF says of its last channel (TIFF 6.0, ExtraSamples).
_MULTIPLIED, _STRAIGHT = 1, 2
_ORIENTATION = 274  # of EXIF


def read_image(file: Path, limits: SafetyLimits) -> RgbImage:
    """Return an image as RGB, uint8 or uint16 (H, W, 3), not multiplied by its alpha.

    Raises:
        VideoError: It cannot be read, is too large, or has neither 8 nor 16 bits.
    """
    return read_image_with_alpha(file, limits, reads_alpha=False)[0]


def read_image_with_alpha(
    file: Path, limits: SafetyLimits, *, reads_alpha: bool = True
) -> tuple[RgbImage, RgbImage | None]:
    """Return what :func:`read_image` does, and the alpha of the image (H, W); None without any."""
    damaged = VideoError(f"cannot read image {file}: it is damaged or not an image")
    try:
        check_image_header(file, limits)
        rgba = _read_tiff_with_alpha(file)
        if rgba is None and reads_alpha and may_have_alpha(file):
            rgba = _decode_unchanged(file)
        if rgba is not None:
            return rgba[..., :3].copy(), rgba[..., 3].copy()
        data = np.fromfile(file, np.uint8)
        image = cv2.imdecode(data, cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
    except (UnidentifiedImageError, ValueError, SyntaxError, cv2.error) as error:
        raise damaged from error
    except Image.DecompressionBombError as error:
        raise _explain_size(file, limits) from error
    except OSError as error:
        raise VideoError(f"cannot read image {file}: {error.strerror or error}") from error
    if image is None:
        raise damaged
    if image.dtype not in (np.uint8, np.uint16):
        raise VideoError(f"{file} has {image.dtype} components; 8 or 16 bits are read")
    rgb: RgbImage = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    return rgb, None


def read_alpha(file: Path) -> RgbImage | None:
    """Return the alpha of an image that can be read, uint8 or uint16 (H, W); None without any."""
    image = _read_tiff_with_alpha(file)
    if image is None:
        image = _decode_unchanged(file)
    return None if image is None else image[..., 3].copy()


def is_opaque(alpha: RgbImage) -> bool:
    """Return whether alpha hides nothing."""
    return bool((alpha == np.iinfo(alpha.dtype).max).all())


def may_have_alpha(file: Path) -> bool:
    """Return whether an image has alpha by its header; False where that is damaged."""
    suffix = file.suffix.lower()
    if suffix in (".jpg", ".jpeg"):
        return False
    with suppress(Exception):  # reading it says what is wrong
        if suffix in TIFF_SUFFIXES:
            with tifffile.TiffFile(file) as tiff:
                return tiff.pages.first.samplesperpixel in (2, 4)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(file) as image:
                return image.has_transparency_data
    return False


def _decode_unchanged(file: Path) -> RgbImage | None:
    """Return an image with alpha as OpenCV has it, RGBA; None without alpha."""
    image = cv2.imdecode(np.fromfile(file, np.uint8), cv2.IMREAD_UNCHANGED)
    if image is None or image.ndim != 3 or image.shape[2] != 4:
        return None
    if image.dtype not in (np.uint8, np.uint16):
        return None
    rgba: RgbImage = cv2.cvtColor(image, cv2.COLOR_BGRA2RGBA)
    if file.suffix.lower() in TIFF_SUFFIXES:
        return rgba  # OpenCV turns these alone
    return turn_by_exif(rgba, _read_orientation(file))


def _read_tiff_with_alpha(file: Path) -> RgbImage | None:
    """Return a TIFF that says what its alpha is as RGBA, straight, (H, W, 4); None for any other.

    OpenCV multiplies colours of 8 bits by alpha, leaves those that are multiplied already, and
    drops the alpha of grey. Pillow does neither, but has 8 bits only.
    """
    if file.suffix.lower() not in TIFF_SUFFIXES:
        return None
    with tifffile.TiffFile(file) as tiff:
        page = tiff.pages.first
        kind = page.extrasamples[0] if len(page.extrasamples) == 1 else None
        bits = page.bitspersample
    if kind not in (_MULTIPLIED, _STRAIGHT):
        return None
    if bits == 8:
        # By a handle: what Pillow maps into memory by its name, it misreads where it is turned.
        with suppress(UnidentifiedImageError), file.open("rb") as open_file:
            return np.asarray(Image.open(open_file).convert("RGBA"))
    rgba = _decode_unchanged(file)
    if rgba is not None and (bits == 8 or kind == _MULTIPLIED):
        return _divide_by_alpha(rgba)
    return rgba


def _divide_by_alpha(rgba: RgbImage) -> RgbImage:
    """Return colours that were multiplied by their alpha without that."""
    full = np.iinfo(rgba.dtype).max
    alpha = np.maximum(rgba[..., 3:], 1).astype(np.float32)
    colours = np.minimum(np.rint(rgba[..., :3] * (full / alpha)), full)
    straight: RgbImage = np.dstack([colours.astype(rgba.dtype), rgba[..., 3]])
    return straight


def check_image_header(file: Path, limits: SafetyLimits) -> None:
    """Refuse an image that by its header cannot be read, before a pixel is decoded."""
    if file.suffix.lower() in TIFF_SUFFIXES:
        _check_tiff_header(file, limits)
        return
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(file) as image:
                limits.check_size(file, *image.size)
    except Image.DecompressionBombError as error:  # Pillow has a limit of its own
        if limits.max_pixels < 2 * (Image.MAX_IMAGE_PIXELS or 0):
            raise _explain_size(file, limits) from error


def _explain_size(file: Path, limits: SafetyLimits) -> VideoError:
    return VideoError(
        f"{file} has more pixels than read.limits.max_pixels={limits.max_pixels}; raise that if "
        "the file can be trusted"
    )


def turn_by_exif(values: NDArray[Any], orientation: object) -> NDArray[Any]:
    """Return the rows and columns of a picture (H, W, ...) as an EXIF orientation turns them."""
    if orientation in (5, 6, 7, 8):
        values = values.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        values = values[::-1]
    return values[:, ::-1] if orientation in (2, 3, 6, 7) else values


def _read_orientation(file: Path) -> object:
    with suppress(Exception), Image.open(file) as image:  # reading it says what is wrong
        return image.getexif().get(_ORIENTATION)
    return None


def _check_tiff_header(file: Path, limits: SafetyLimits) -> None:
    try:
        with tifffile.TiffFile(file) as tiff:
            page = tiff.pages.first
            size = page.imagewidth, page.imagelength
            apart = page.planarconfig == 2 and page.samplesperpixel > 1
    except OSError:
        raise
    except Exception as error:  # a damaged tag may surface as anything
        raise ValueError(f"not a TIFF file ({error})") from error
    limits.check_size(file, *size)
    if apart:
        raise VideoError(
            f"{file} keeps its colours in planes of their own, which is not read; store it as "
            "interleaved TIFF or PNG"
        )
