"""One picture of a mask, decoded as it is stored: indices stay indices, alpha stays alpha."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

from outtake.core.errors import OuttakeError, VideoError
from outtake.data.decode_files import decode_compressed_tiff, needs_codecs
from outtake.video.read.decode_image import turn_by_exif
from outtake.video.read.safety_limits import SafetyLimits

Values = NDArray[Any]

ARRAY_SUFFIX = ".npy"
_EXR_SUFFIX = ".exr"
MASK_PICTURE_SUFFIXES = (
    ".png", ".tif", ".tiff", ".webp", ".bmp", ".gif", ".jpg", ".jpeg", _EXR_SUFFIX, ARRAY_SUFFIX,
)  # fmt: skip
_LOSSY_SUFFIXES = (".jpg", ".jpeg")
_TIFF_SUFFIXES = (".tif", ".tiff")
_BITS_PER_SAMPLE, _ORIENTATION = 258, 274  # TIFF 6.0, section 8
_PLAIN_MODES = ("L", "LA", "RGB", "RGBA", "I", "I;16", "I;16L", "I;16B", "I;16N", "F")
_CONVERTED_MODES = {"1": "L", "La": "LA", "RGBa": "RGBA"}  # else RGB


@dataclass(frozen=True, slots=True)
class MaskPicture:
    """A decoded picture of a mask.

    Attributes:
        values: (H, W) grey values or indices, or (H, W, 3) colours; uint8, uint16 or float32.
        alpha: (H, W) of the same type; None where there is none.
        indexed: Whether ``values`` are indices into a palette.
        lossy: Whether a small difference of values means nothing.
        indices: (H, W) the indices, uint8, where ``values`` are the greys that they stand for in a
            palette that has colours too.
        palette: (256, 3) the RGB colours of indices, uint8; None where ``values`` are none.
    """

    values: Values
    alpha: Values | None = None
    indexed: bool = False
    lossy: bool = False
    indices: Values | None = None
    palette: Values | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.values.shape[0], self.values.shape[1]


def read_mask_picture(file: Path, limits: SafetyLimits) -> MaskPicture:
    """Decode a picture of a mask: PNG, TIFF, WebP, BMP, GIF, JPEG, EXR or NPY.

    The EXIF orientation is applied, as to the pictures that masks are of.

    Raises:
        VideoError: The file cannot be read, is too large, or is not one picture.
    """
    suffix = file.suffix.lower()
    try:
        if suffix == ARRAY_SUFFIX:
            return _from_array(_load_array(file, limits))
        if suffix == _EXR_SUFFIX:
            return _from_array(_read_exr(file, limits))
        return _read_with_pillow(file, limits)
    except OSError as error:
        if isinstance(error, UnidentifiedImageError) or error.strerror is None:
            raise _damaged_error(file) from error
        raise VideoError(f"cannot read mask {file}: {error.strerror}") from error
    except (ValueError, SyntaxError, EOFError, cv2.error, av.FFmpegError) as error:
        raise _damaged_error(file) from error


def _refuse_several(file: Path, count: int) -> None:
    if count > 1:
        raise VideoError(
            f"{file} holds {count} pictures, and a mask is one; store each as a file of its own, "
            "all in one folder"
        )


def _damaged_error(file: Path) -> VideoError:
    return VideoError(f"cannot read mask {file}: it is damaged or not a picture")


def _read_with_pillow(file: Path, limits: SafetyLimits) -> MaskPicture:
    """Decode what Pillow keeps as it is, and otherwise what it would reduce to 8 bits."""
    lossy = file.suffix.lower() in _LOSSY_SUFFIXES
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        try:
            # Given a path, Pillow maps raw TIFF data to memory as if they were not to be turned.
            with file.open("rb") as handle, Image.open(handle) as opened:
                limits.check_size(file, *opened.size)
                _refuse_several(file, _count_pictures(file, opened))
                if _is_deep(opened):
                    orientation = opened.getexif().get(_ORIENTATION)
                    return _from_array(_read_deep(file, limits, orientation))
                ImageOps.exif_transpose(opened, in_place=True)
                if opened.mode in ("P", "PA"):
                    return _from_palette(opened)
                image: Image.Image = opened
                if image.mode not in _PLAIN_MODES:
                    image = image.convert(_CONVERTED_MODES.get(image.mode, "RGB"))
                return _from_array(np.asarray(image), lossy=lossy)
        except UnidentifiedImageError:
            if file.suffix.lower() in _TIFF_SUFFIXES:
                return _from_array(_read_deep(file, limits))
            raise
        except Image.DecompressionBombError as error:
            raise VideoError(
                f"{file} has more pixels than read.limits.max_pixels={limits.max_pixels}; raise "
                "that if the file can be trusted"
            ) from error


def _count_pictures(file: Path, image: ImageFile.ImageFile) -> int:
    if file.suffix.lower() in _TIFF_SUFFIXES:
        try:
            with tifffile.TiffFile(file) as tiff:
                return _count_pages(tiff)
        except Exception:  # a damaged tag may surface as anything; decoding says what is wrong
            return 1
    # A phone's second picture is a preview.
    return 1 if image.format == "MPO" else int(getattr(image, "n_frames", 1))


def _count_pages(tiff: tifffile.TiffFile) -> int:
    """Return how many pictures there are of the first one's size and type."""
    return int(tiff.series[0].size // tiff.pages.first.size)


def _is_deep(image: ImageFile.ImageFile) -> bool:
    # Pillow reads colours with 16 bits as 8.
    mode: object = image.tile[0].args if image.tile else None
    raw = mode[0] if isinstance(mode, tuple) and mode else mode
    bits = getattr(image, "tag_v2", {}).get(_BITS_PER_SAMPLE, (8,))  # of TIFF alone
    deep = max(bits) > 8 or (isinstance(raw, str) and ";16" in raw)
    return deep and image.mode in ("RGB", "RGBA", "LA")


def _from_palette(image: Image.Image) -> MaskPicture:
    """Return indices, unless the palette is there to store black and white, or starts elsewhere."""
    index = np.asarray(image.getchannel(0) if image.mode == "PA" else image)
    colours = np.asarray(image.getpalette("RGB") or [], np.uint8).reshape(-1, 3)
    used = np.unique(index)
    used = used[used < len(colours)]
    is_grey = (colours == colours[:, :1]).all(axis=1)
    black = (colours == 0).all(axis=1)
    if is_grey[used].all():
        # A frame of a clip may show only what is grey in the palette of the others.
        indices = None if is_grey.all() else index
        return MaskPicture(np.asarray(image.convert("L")), indices=indices)
    if not black[0] and black[used].any():
        # The background is black, and not the index 0: what is stored are colours.
        return MaskPicture(np.asarray(image.convert("RGB")))
    palette = np.zeros((256, 3), np.uint8)
    palette[: len(colours)] = colours
    return MaskPicture(index, indexed=True, palette=palette)


def _from_array(values: Values, *, lossy: bool = False) -> MaskPicture:
    """Split an array (H, W) or (H, W, 1 to 4) into values and alpha."""
    values = _plain_type(values)
    if values.ndim == 3 and values.shape[2] == 1:
        values = values[:, :, 0]
    if values.ndim == 2:
        return MaskPicture(values, lossy=lossy)
    if values.ndim != 3 or values.shape[2] not in (2, 3, 4):
        raise ValueError(f"an array of shape {values.shape} is not a picture")
    alpha = values[:, :, -1] if values.shape[2] in (2, 4) else None
    colours = values[:, :, 0] if values.shape[2] == 2 else values[:, :, :3]
    if colours.ndim == 3 and _is_grey(colours):
        colours = colours[:, :, 0]
    return MaskPicture(
        np.ascontiguousarray(colours), None if alpha is None else alpha.copy(), lossy=lossy
    )


def _is_grey(colours: Values) -> bool:
    red, green, blue = cv2.split(colours)  # planes in a row are compared several times as fast
    return np.array_equal(red, green) and np.array_equal(green, blue)


def _plain_type(values: Values) -> Values:
    """Return an array as uint8, uint16 or float32, in the byte order of this machine."""
    if values.dtype == np.bool_:
        return values.astype(np.uint8) * 255
    if values.dtype.kind == "f":
        return np.nan_to_num(values.astype(np.float32), nan=0.0, posinf=1.0, neginf=0.0)
    if values.dtype.kind in "iu" and values.dtype != np.uint8:
        low, high = (int(values.min()), int(values.max())) if values.size else (0, 0)
        if low < 0 or high > 65535:
            raise ValueError("values outside 0 to 65535")
        return values.astype(np.uint16)
    if values.dtype != np.uint8:
        raise ValueError(f"{values.dtype} is not a type of values")
    return values


def _read_deep(file: Path, limits: SafetyLimits, orientation: int | None = None) -> Values:
    """Decode colours of 16 bits, and TIFF files that Pillow does not know."""
    if file.suffix.lower() in _TIFF_SUFFIXES:
        try:
            with tifffile.TiffFile(file) as tiff:
                page = tiff.pages.first
                limits.check_size(file, page.imagewidth, page.imagelength)
                _refuse_several(file, _count_pages(tiff))
                try:
                    values, orientation = page.asarray(), page.tags.valueof(_ORIENTATION)
                except ValueError as error:
                    if not needs_codecs(error):
                        raise
                    return decode_compressed_tiff(file, tiff.series[0])
        except (OSError, OuttakeError):
            raise
        except Exception as error:  # a damaged tag may surface as anything
            raise ValueError(f"not a TIFF file ({error})") from error
        if values.ndim == 3 and values.shape[0] in (2, 3, 4) and values.shape[2] > 4:
            values = np.moveaxis(values, 0, -1)  # colours in planes of their own
        return turn_by_exif(values, orientation)
    image = cv2.imdecode(np.fromfile(file, np.uint8), cv2.IMREAD_UNCHANGED)
    if image is None:
        raise ValueError("not a picture")
    if image.ndim == 3 and image.shape[2] >= 3:
        image[:, :, :3] = image[:, :, 2::-1].copy()
    return turn_by_exif(np.asarray(image), orientation)


def _read_exr(file: Path, limits: SafetyLimits) -> Values:
    with av.open(f"file:{file}", options={"max_pixels": str(limits.max_pixels)}) as container:
        if container.format.name != "exr_pipe" or not container.streams.video:
            raise ValueError("not an EXR file")
        for frame in container.decode(video=0):
            limits.check_size(file, frame.width, frame.height)
            return np.asarray(frame.to_ndarray())
    raise ValueError("no picture")


def _load_array(file: Path, limits: SafetyLimits) -> Values:
    mapped = np.load(file, mmap_mode="r", allow_pickle=False)
    if not isinstance(mapped, np.ndarray) or mapped.ndim < 2:
        raise ValueError("not an array of a picture")
    shape = [n for n in mapped.shape if n != 1] if mapped.ndim > 3 else list(mapped.shape)
    if len(shape) == 3 and shape[0] == 1:
        shape = shape[1:]  # (1, H, W), as networks give it
    limits.check_size(file, shape[1], shape[0])
    if len(shape) == 3 and shape[2] > 4:
        _refuse_several(file, shape[0])
    return np.array(mapped).reshape(shape)
