"""Read a picture with all that is needed to write it again: depth, alpha, profile, EXIF data."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image, ImageFile, JpegImagePlugin, TiffTags

from outtake.core.types import Frame
from outtake.core.validate import is_number
from outtake.data.decode_files import TIFF_SUFFIXES, decode_file, is_lossy
from outtake.data.image_files import convert_channels
from outtake.data.sample_range import SampleRange, find_picture_range, scale_samples
from outtake.pictures.png_chunks import RESOLUTION, read_chunks, swap_sides

_EXIF_KEYWORD = "Raw profile type"  # of EXIF data as ImageMagick writes them
XMP_KEYWORD = "XML:com.adobe.xmp"  # of the text entry of a PNG that is XMP
_ORIENTATION = 274  # EXIF 2.3, table 4
# What a TIFF says of its content; its other tags say how it is stored. EXIF 2.3, tables 3 and 4.
_DESCRIPTIVE_TAGS = frozenset({270, 271, 272, 305, 306, 315, 33432, 34665, 34853})
# What only says how a TIFF stores its samples. TIFF 6.0, and its supplements 1 and 2.
_STORAGE_TAGS = frozenset(
    {*range(254, 260), *range(262, 267), 273, 274, *range(277, 285), *range(288, 294), 296, 297}
    | {317, *range(320, 326), 330, 332, 334, 336, *range(338, 343), 347, *range(512, 522)}
    | {*range(529, 533)}
)
_XMP_TAG, _PROFILE_TAG = 700, 34675
_TRANSPOSED = (5, 6, 7, 8)  # by an orientation
# A removal holds the picture as colours, mask, fill and distances at once.
_BYTES_PER_PIXEL = 8


@dataclass(frozen=True)
class FileFormat:
    """How a picture is stored in its file.

    Attributes:
        name: Pillow's name of the format; None for a file that Pillow does not open.
        mode: Pillow's mode, such as RGB, P or CMYK.
        lossy: Whether the format changes values.
        exif: EXIF data without the orientation, which is applied; empty for none.
        icc: The colour profile; None for none.
        transparent: Whether a colour, of a palette or not, stands for nothing.
        xmp: XMP data; empty for none.
        comment: A comment; empty for none.
        texts: The text entries of a PNG, by their keyword.
        options: What Pillow needs to store it in the same quality.
        dpi: Its resolution along x and y, as the picture is turned; None for none.
        png: The chunks of a PNG about its colours and resolution, by their names.
        pictures: How many pictures the file holds; the first is the one that is read.
        unknown: What else the file says, in words.
    """

    name: str | None
    mode: str
    lossy: bool = False
    exif: bytes = b""
    icc: bytes | None = None
    transparent: bool = False
    xmp: bytes = b""
    comment: bytes = b""
    texts: dict[str, str] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    dpi: tuple[float, float] | None = None
    png: dict[bytes, bytes] = field(default_factory=dict)
    pictures: int = 1
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True)
class Picture:
    """A picture, turned as its EXIF orientation says.

    Attributes:
        path: The file.
        samples: The samples as stored, (H, W, C) of any type.
        image: uint8 (H, W, 3), RGB; None where there are neither 1 to 4 channels nor 8 or 16 bits.
        image16: The same with 16 bits; None where the file has none.
        alpha: uint8 or uint16 (H, W); None without.
        grey: Whether the file has no colours.
        format: How it is stored.
    """

    path: Path
    samples: NDArray[Any]
    image: Frame | None
    image16: NDArray[np.uint16] | None
    alpha: NDArray[Any] | None
    grey: bool
    format: FileFormat

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.samples.shape[0], self.samples.shape[1]

    def find_range(self, limits: SampleRange | None) -> SampleRange | None:
        """Return the values that the network sees as 0 and 255.

        Those given, where they can be those of these samples; else they are chosen by the depth.
        None for 8 bits, and for 16 that keep their high byte.
        """
        if limits is None or not limits.fits(self.samples.dtype):
            return find_picture_range(self.samples)
        return None if limits.high_byte else limits

    def for_network(self, channels: int, limits: SampleRange | None) -> Frame:
        """Return what a network of so many channels sees, uint8 (H, W, C).

        Args:
            channels: The channels.
            limits: The values that become 0 and 255; None: see :meth:`find_range`.

        Raises:
            UnreadableImageError: The channels or the samples are others.
        """
        scaled = scale_samples(self.samples, self.find_range(limits), self.path)
        return np.ascontiguousarray(convert_channels(scaled, channels, self.path))


def read_picture(path: Path) -> Picture:
    """Read a picture.

    Raises:
        UnreadableImageError: The file is missing, damaged, or of a kind that is not supported.
    """
    array = decode_file(path, palette_indices=False, bytes_per_pixel=_BYTES_PER_PIXEL)
    samples = array[..., None] if array.ndim == 2 else array
    channels = samples.shape[2]
    has_alpha = channels in (2, 4)
    image = image16 = alpha = None
    if channels <= 4 and samples.dtype in (np.uint8, np.uint16, np.bool_):
        colours = samples[..., :-1] if has_alpha else samples
        alpha = samples[..., -1] if has_alpha else None
        rgb = np.repeat(colours, 3, axis=2) if colours.shape[2] == 1 else colours
        image = np.ascontiguousarray(scale_samples(rgb, None, path))
        image16 = np.ascontiguousarray(rgb) if samples.dtype == np.uint16 else None
    grey = channels <= 2
    return Picture(path, samples, image, image16, alpha, grey, read_format(path))


def read_format(path: Path) -> FileFormat:
    """Return how a picture is stored; it is decoded elsewhere."""
    with suppress(OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return _read_header(path)
    return FileFormat(None, "", pictures=_count_pages(path))


def _count_pages(path: Path) -> int:
    """Return the pictures of a TIFF that Pillow does not open; 1 of any other file."""
    if path.suffix.lower() in TIFF_SUFFIXES:
        # tifffile raises whatever its decoders raise on damaged input.
        with suppress(Exception), tifffile.TiffFile(path) as tiff:
            return len(tiff.pages)
    return 1


def _read_header(path: Path) -> FileFormat:
    with Image.open(path) as opened:
        exif = opened.getexif()
        turned = exif.pop(_ORIENTATION, None) in _TRANSPOSED
        png, unknown = read_chunks(path) if opened.format == "PNG" else ({}, ())
        if turned and RESOLUTION in png:
            png[RESOLUTION] = swap_sides(png[RESOLUTION])
        unknown = tuple(f"chunk {name} of PNG" for name in unknown)
        if opened.format == "TIFF":
            unknown = _name_unknown_tags(opened)
            for tag in set(exif) - _DESCRIPTIVE_TAGS:
                del exif[tag]
        if "photoshop" in opened.info:
            unknown += ("Photoshop and IPTC data",)
        if _has_oblong_pixels(opened):
            unknown += ("that its pixels are not square",)
        return FileFormat(
            "JPEG" if opened.format == "MPO" else opened.format,
            opened.mode,
            is_lossy(path),
            exif.tobytes() if len(exif) else b"",
            opened.info.get("icc_profile") or None,
            "transparency" in opened.info or opened.mode == "PA",
            _as_bytes(opened.info.get("xmp")),
            _as_bytes(opened.info.get("comment")),
            _read_texts(opened),
            _quality_options(opened, path),
            _read_resolution(opened, turned=turned),
            png,
            getattr(opened, "n_frames", 1),
            unknown,
        )


def _name_unknown_tags(opened: Image.Image) -> tuple[str, ...]:
    known = _STORAGE_TAGS | _DESCRIPTIVE_TAGS | {_XMP_TAG, _PROFILE_TAG}
    unknown = sorted(set(getattr(opened, "tag_v2", {})) - known)
    return tuple(f"tag {tag} ({TiffTags.lookup(tag).name}) of TIFF" for tag in unknown)


def _has_oblong_pixels(opened: Image.Image) -> bool:
    """Return whether a file tells the shape of its pixels, which is no square, and no size."""
    info = opened.info
    told = info.get("jfif_density") if info.get("jfif_unit") == 0 else info.get("resolution")
    return isinstance(told, tuple) and len(told) == 2 and told[0] != told[1]


def _read_resolution(opened: Image.Image, *, turned: bool) -> tuple[float, float] | None:
    found = opened.info.get("dpi")
    if not isinstance(found, tuple) or len(found) != 2 or not all(map(is_number, found)):
        return None
    along_x, along_y = map(float, found)
    if along_x <= 0 or along_y <= 0:
        return None
    return (along_y, along_x) if turned else (along_x, along_y)


def _as_bytes(value: object) -> bytes:
    """Return data of a header, which Pillow has as text in some formats."""
    if isinstance(value, str):
        return value.encode()
    return value if isinstance(value, bytes) else b""


def _read_texts(opened: ImageFile.ImageFile) -> dict[str, str]:
    if opened.format != "PNG":
        return {}
    # Its attribute of texts would decode the picture.
    return {
        key: str(value)
        for key, value in opened.info.items()
        if isinstance(key, str) and isinstance(value, str)
        if key != XMP_KEYWORD and not key.startswith(_EXIF_KEYWORD)
    }


def _quality_options(opened: ImageFile.ImageFile, path: Path) -> dict[str, Any]:
    options: dict[str, Any] = {}
    if isinstance(opened, JpegImagePlugin.JpegImageFile):
        options["qtables"] = opened.quantization
        sampling = JpegImagePlugin.get_sampling(opened)
        options |= {"subsampling": sampling} if sampling >= 0 else {}
        options["progressive"] = bool(opened.info.get("progressive"))
    elif opened.format == "TIFF" and opened.info.get("compression"):
        options["compression"] = opened.info["compression"]
    elif opened.format == "WEBP":
        options |= {"quality": 95} if is_lossy(path) else {"lossless": True, "exact": True}
    elif opened.format == "AVIF":
        options["quality"] = 95
    return options
