"""Write a changed picture in the format of the file that it came from."""

from __future__ import annotations

import logging
import zlib
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

from outtake.core.errors import OutputError
from outtake.core.files import replace_file
from outtake.pictures.png_chunks import RESOLUTION, encode_resolution, insert_chunks
from outtake.pictures.read_picture import XMP_KEYWORD, FileFormat, Picture

_WITH_ALPHA = frozenset({"PNG", "TIFF", "WEBP", "AVIF", "HEIF", "JPEG2000", "TGA"})
_WITH_PROFILE = frozenset({"PNG", "TIFF", "WEBP", "AVIF", "HEIF", "JPEG"})
_WITH_EXIF = frozenset({"PNG", "TIFF", "WEBP", "AVIF", "HEIF", "JPEG"})
_WITH_RESOLUTION = frozenset({"PNG", "TIFF", "JPEG", "BMP"})
_WITH_XMP = frozenset({"PNG", "WEBP", "AVIF", "JPEG"})
# Of black and white alone; a picture of greys is compressed otherwise.
_BILEVEL_COMPRESSIONS = frozenset({"group3", "group4", "tiff_ccitt"})
_EXIF_PREFIX = b"Exif\0\0"
_NPY = ".npy"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StoragePlan:
    """How a changed picture is stored.

    Attributes:
        suffix: Of the file.
        format: Pillow's name of the format; ``NPY`` for an array.
        notes: What is stored otherwise than in the source.
    """

    suffix: str
    format: str
    notes: tuple[str, ...]


def plan_storage(picture: Picture, channels: int) -> StoragePlan:
    """Decide how a changed picture is stored: as its source, or as PNG where that cannot be.

    Args:
        picture: The source.
        channels: The channels that a remover gives: 3, or 4 with alpha.
    """
    suffix, own = picture.path.suffix, picture.format
    if suffix.lower() == _NPY:
        return StoragePlan(suffix, "NPY", ())
    alpha = picture.alpha is not None or channels == 4
    reason = _reason_for_png(own, alpha=alpha, deep=picture.image16 is not None)
    name = "PNG" if reason or own.name is None else own.name
    notes = [f"written as PNG: {reason}"] if reason else []
    one_band = own.mode in ("1", "L", "I", "F") or own.mode.startswith("I;16")
    if one_band and own.pictures == picture.samples.shape[2] > 1:
        notes.append(f"its {own.pictures} pages become the channels of one picture")
    elif own.pictures > 1:
        notes.append(f"it holds {own.pictures} pictures, and all but the first are dropped")
    if own.mode in ("P", "PA"):
        notes.append("its palette becomes RGB")
    elif own.mode in ("CMYK", "YCbCr", "LAB", "HSV"):
        notes.append(f"its {own.mode} colours become RGB")
    if own.transparent and picture.alpha is None:
        notes.append("what is transparent in it becomes opaque")
    # OpenCV writes no grey with alpha.
    grey = picture.grey and not (alpha and name == "PNG" and picture.image16 is not None)
    if own.icc and not _is_of_colours(own.icc, grey=grey):
        notes.append("its colour profile is dropped: it is not of the colours that are written")
    elif own.icc and name not in _WITH_PROFILE:
        notes.append(f"its colour profile is dropped: {name} has none")
    if own.dpi and name not in _WITH_RESOLUTION:
        notes.append(f"its resolution (dpi) is dropped: it is not written to {name} here")
    if own.unknown:
        notes.append(f"dropped, as it is not written here: {', '.join(own.unknown)}")
    deep_tiff = name == "TIFF" and picture.image16 is not None
    if own.exif and (name not in _WITH_EXIF or deep_tiff):
        notes.append(f"its EXIF data are dropped: they are not written to {name} here")
    deep = picture.image16 is not None
    if own.xmp and (name not in _WITH_XMP or deep):
        notes.append(f"its XMP data are dropped: they are not written to {name} here")
    if own.comment and name != "JPEG":
        notes.append(f"its comment is dropped: it is not written to {name} here")
    if own.texts and (name != "PNG" or deep):
        notes.append(f"its text entries are dropped: they are not written to {name} here")
    return StoragePlan(".png" if reason else suffix, name, tuple(notes))


def _is_of_colours(profile: bytes, *, grey: bool) -> bool:
    """Return whether a profile is of what is written: RGB, or grey (ICC.1:2022, table 19)."""
    space = profile[16:20]
    return space == b"RGB " or (grey and space == b"GRAY")


def _reason_for_png(own: FileFormat, *, alpha: bool, deep: bool) -> str | None:
    if own.name is None:
        return "its own format can only be read"
    if own.name == "GIF":
        return "GIF has 256 colours"
    if own.name not in Image.SAVE:
        return f"{own.name} can only be read"
    if alpha and own.name not in _WITH_ALPHA:
        return f"{own.name} has no alpha"
    if deep and own.name not in ("PNG", "TIFF"):
        return f"{own.name} is written with 8 bits only"
    return None


def write_picture(
    target: Path,
    plan: StoragePlan,
    picture: Picture,
    image: NDArray[np.uint8],
    image16: NDArray[np.uint16] | None,
) -> None:
    """Write a changed picture, whole or not at all.

    Args:
        target: The file, with the suffix of the plan.
        plan: How it is stored.
        picture: The source, whose alpha, profile and EXIF data are kept.
        image: uint8 (H, W, 3), or (H, W, 4) with an alpha that takes the place of the source's.
        image16: The same with 16 bits; None for 8 bits.

    Raises:
        OutputError: It cannot be written; an earlier file stays.
    """
    array: NDArray[Any] = image if image16 is None else image16
    array = _restore_channels(array, picture)
    own = picture.format
    if own.icc and not _is_of_colours(own.icc, grey=array.shape[2] < 3):
        if picture.grey and array.shape[2] > 2 and _is_of_colours(own.icc, grey=True):
            log.warning("%s: has colours now, and its profile of greys is dropped", picture.path)
        own = replace(own, icc=None)
    try:
        data = _encode(array, plan.format, own)
    except (OSError, ValueError, KeyError, cv2.error) as error:
        raise OutputError(f"cannot write {target} as {plan.format}: {error}") from error
    replace_file(target, lambda file: file.write(data))


def _restore_channels(array: NDArray[Any], picture: Picture) -> NDArray[Any]:
    """Give a picture the channels of its source: grey where nothing got a colour, and alpha."""
    alpha = array[..., 3:] if array.shape[2] == 4 else None
    if alpha is None and picture.alpha is not None and picture.alpha.shape == array.shape[:2]:
        alpha = picture.alpha[..., None].astype(array.dtype)
    colours = array[..., :3]
    if picture.grey and (colours == colours[..., :1]).all():
        colours = colours[..., :1]
    return colours if alpha is None else np.concatenate([colours, alpha], axis=2)


def _encode(array: NDArray[Any], name: str, own: FileFormat) -> bytes:
    plain = array[..., 0] if array.shape[2] == 1 else array
    if name == "NPY":
        packed = BytesIO()
        np.save(packed, plain, allow_pickle=False)
        return packed.getvalue()
    if array.dtype == np.uint16:
        return _encode_deep_tiff(plain, own) if name == "TIFF" else _encode_deep_png(array, own)
    options = dict(own.options) if name == own.name else {}
    if "qtables" in options and array.shape[2] == 1:
        options.pop("subsampling", None)
    if own.icc and name in _WITH_PROFILE:
        options["icc_profile"] = own.icc
    if own.exif and name in _WITH_EXIF:
        options["exif"] = own.exif
    if own.dpi and name in _WITH_RESOLUTION - {"PNG"}:
        options["dpi"] = own.dpi
    options |= _describe(own, name)
    packed, made = BytesIO(), Image.fromarray(np.ascontiguousarray(plain))
    if own.mode == "1" and plain.ndim == 2 and np.isin(plain, (0, 255)).all():
        made = made.convert("1")
    elif options.get("compression") in _BILEVEL_COMPRESSIONS:
        options["compression"] = "tiff_lzw"
    made.save(packed, name, **options)
    if name == "PNG":
        return insert_chunks(packed.getvalue(), _describe_samples(own, array.shape[2]))
    return packed.getvalue()


def _describe_samples(own: FileFormat, channels: int) -> dict[bytes, bytes]:
    """Return the chunks of a PNG about its colours and its resolution, by their names."""
    chunks = dict(own.png)
    if len(chunks.get(b"sBIT", b"")) != channels:  # it has a byte for each
        chunks.pop(b"sBIT", None)
    if own.icc:  # PNG specification, third edition, 11.3.2.3: one of both
        chunks.pop(b"sRGB", None)
    if own.dpi and RESOLUTION not in chunks:
        chunks[RESOLUTION] = encode_resolution(own.dpi)
    return chunks


def _describe(own: FileFormat, name: str) -> dict[str, Any]:
    """Return what Pillow writes of the texts of a picture into a format."""
    options: dict[str, Any] = {}
    if own.comment and name == "JPEG":
        options["comment"] = own.comment
    if name == "PNG" and (own.xmp or own.texts):
        entries = PngImagePlugin.PngInfo()
        for keyword, text in own.texts.items():
            entries.add_itxt(keyword, text)
        if own.xmp:
            entries.add_itxt(XMP_KEYWORD, own.xmp.decode("utf-8", "replace"))
        options["pnginfo"] = entries
    elif own.xmp and name in _WITH_XMP:
        options["xmp"] = own.xmp
    return options


def _encode_deep_png(array: NDArray[np.uint16], own: FileFormat) -> bytes:
    """Encode 16 bits, which Pillow writes for grey alone."""
    if array.shape[2] == 2:
        if own.icc and not _is_of_colours(own.icc, grey=False):
            own = replace(own, icc=None)
        array = np.concatenate([np.repeat(array[..., :1], 3, axis=2), array[..., 1:]], axis=2)
    order = {1: [0], 3: [2, 1, 0], 4: [2, 1, 0, 3]}[array.shape[2]]
    made, data = cv2.imencode(".png", np.ascontiguousarray(array[..., order]))
    if not made:
        raise ValueError("the picture cannot be encoded")
    chunks = _describe_samples(own, array.shape[2])
    if own.icc:
        chunks[b"iCCP"] = b"profile\0\0" + zlib.compress(own.icc)
    if own.exif:
        chunks[b"eXIf"] = own.exif.removeprefix(_EXIF_PREFIX)
    return insert_chunks(data.tobytes(), chunks)


def _encode_deep_tiff(array: NDArray[np.uint16], own: FileFormat) -> bytes:
    channels = 1 if array.ndim == 2 else array.shape[2]
    packed = BytesIO()
    tifffile.imwrite(
        packed,
        np.ascontiguousarray(array),
        photometric="minisblack" if channels < 3 else "rgb",
        extrasamples=["unassalpha"] if channels in (2, 4) else None,
        planarconfig="contig" if channels > 1 else None,
        compression="zlib",
        resolution=own.dpi,
        resolutionunit=None if own.dpi is None else "inch",
        iccprofile=own.icc,
        metadata=None,
    )
    return packed.getvalue()
