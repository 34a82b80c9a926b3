"""Look at one image and its mask, and name everything that is wrong with them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from outtake.core.errors import (
    LabelValueError,
    OuttakeError,
    SizeMismatchError,
    UnreadableImageError,
)
from outtake.core.types import Frame, LabelMap
from outtake.data.decode_files import NO_PICTURE, is_lossy
from outtake.data.defects import Defect
from outtake.data.image_files import read_stored_mask
from outtake.data.mask_encoding import is_gray, rgb_image_to_int
from outtake.data.soft_edges import count_values, find_soft_edges
from outtake.data.source import Sample, SegmentationSource
from outtake.data.verification import count_further_pixels

THUMBNAIL_PX = 32
_MIN_SHADES = 8
_MAX_COLOURS = 255
_SIGNATURES = {
    ".png": b"\x89PNG", ".jpg": b"\xff\xd8\xff", ".gif": b"GIF8", ".bmp": b"BM", ".webp": b"RIFF",
    ".tif": b"II*\x00",
}  # fmt: skip
_SAME_FORMAT = {".jpeg": ".jpg", ".tiff": ".tif"}


@dataclass(slots=True)
class SampleFacts:
    """What one sample holds.

    Attributes:
        sample: The sample.
        split: Its split.
        size: (height, width) of the image; None if it cannot be read.
        pixels: The pixels of each label, int64 (256,); None if the mask cannot be decoded.
        image_hash: The SHA-256 of the image's file; empty if there is none.
        mask_hash: The SHA-256 of the decoded labels; empty for a mask of one label.
        thumbnail: uint8 (32, 32), gray; None if the image cannot be read or has hardly any shades.
        defects: What is wrong.
    """

    sample: Sample
    split: str
    size: tuple[int, int] | None = None
    pixels: NDArray[np.int64] | None = None
    image_hash: str = ""
    mask_hash: str = ""
    thumbnail: Frame | None = None
    defects: list[Defect] = field(default_factory=list)

    def add(self, kind: str, where: str, text: str) -> None:
        """Add a defect of this sample."""
        self.defects.append(Defect(kind, self.split, where, text, self.sample.id))


def inspect_sample(
    source: SegmentationSource, sample: Sample, split: str, *, knows_classes: bool = True
) -> SampleFacts:
    """Decode a sample and list its defects.

    Args:
        source: The data set.
        sample: The sample.
        split: Its split.
        knows_classes: Whether the values of masks can be compared with the classes.
    """
    facts = SampleFacts(sample, split)
    image = _inspect_image(source, facts)
    if any(each.kind == "mask_is_image" for each in facts.defects):
        return facts
    mask = _inspect_mask(source, facts, knows_classes)
    if image is not None and mask is not None:
        _compare(facts, image, mask)
    if facts.size is not None:
        try:
            list(count_further_pixels(source, sample, facts.size))
        except OuttakeError as error:
            facts.add("further_labels", sample.image, str(error))
    return facts


def _inspect_image(source: SegmentationSource, facts: SampleFacts) -> Frame | None:
    sample = facts.sample
    try:
        image = source.read_image(sample)
        contents = source.sample_bytes(sample)
    except UnreadableImageError as error:
        facts.add(_kind_of_unreadable(sample.image, error, "image"), sample.image, str(error))
        return None
    except SizeMismatchError as error:
        facts.add("further_size", sample.image, str(error))
        return None
    except (OuttakeError, OSError) as error:
        facts.add("channels", sample.image, str(error))
        return None
    facts.image_hash = hashlib.sha256(contents[0]).hexdigest()
    if contents[0] == contents[-1] and len(contents) > 1:
        facts.add("mask_is_image", sample.mask, "it holds the same bytes as its image")
    facts.size = (image.shape[0], image.shape[1])
    _check_format(facts, sample.image)
    low, high = int(image.min()), int(image.max())
    if low == high or bool((image == image[:1, :1]).all()):
        facts.add("blank_image", sample.image, f"every pixel is {image[0, 0].tolist()}")
    elif high - low < _MIN_SHADES:
        facts.add("few_shades", sample.image, f"its samples lie between {low} and {high}")
    else:
        facts.thumbnail = _make_thumbnail(image)
    return image


def _inspect_mask(
    source: SegmentationSource, facts: SampleFacts, knows_classes: bool
) -> LabelMap | None:
    sample = facts.sample
    if sample.mask and Path(sample.mask).is_file():
        _check_format(facts, sample.mask, lossless=not getattr(source, "lossy_masks", False))
    try:
        mask = source.read_mask(sample)
    except UnreadableImageError as error:
        if facts.size is not None or sample.mask:
            facts.add(_kind_of_unreadable(sample.mask, error, "mask"), sample.mask, str(error))
        return None
    except LabelValueError as error:
        facts.add(*_explain_values(sample.mask, error))
        return None
    except SizeMismatchError as error:  # outlines of another picture
        facts.add("size", sample.mask, str(error))
        return None
    except (OuttakeError, OSError) as error:
        facts.add("unreadable_mask", sample.mask, str(error))
        return None
    facts.pixels = np.bincount(mask.ravel(), minlength=256).astype(np.int64)
    ignored = source.labels.ignore_index
    if knows_classes and facts.pixels[ignored] == mask.size and sample.mask:
        facts.add("all_unlabelled", sample.mask, f"all {mask.size} pixels are unlabelled")
    if (facts.pixels > 0).sum() > 1:
        facts.mask_hash = hashlib.sha256(mask.tobytes()).hexdigest()
    return mask


def _compare(facts: SampleFacts, image: Frame, mask: LabelMap) -> None:
    size, other = image.shape[:2], mask.shape
    if other != size:
        kind = "turned" if other == size[::-1] else "size"
        facts.add(
            kind,
            facts.sample.mask,
            f"the image is {size[1]}x{size[0]}, its mask {other[1]}x{other[0]}",
        )


def _kind_of_unreadable(path: str, error: Exception, what: str) -> str:
    text = str(error)
    file = Path(path)
    if file.is_file() and file.stat().st_size == 0:
        return "empty_file"
    if NO_PICTURE in text:
        return "no_picture"
    if "pictures, not one" in text:
        return "several_pictures"
    return f"unreadable_{what}"


def _explain_values(path: str, error: LabelValueError) -> tuple[str, str, str]:
    """Return the kind, the place and the text of a mask whose values are no classes."""
    try:
        stored = read_stored_mask(path)
    except UnreadableImageError:  # not a picture: outlines, or a file of another kind
        return "illegal_id", path, str(error)
    if stored.palette is not None and "have the colour" in str(error):
        return "illegal_colour", path, str(error)
    raw = stored.values
    if raw.ndim == 3 and not is_gray(raw):
        codes = rgb_image_to_int(raw)
        counts = count_values(raw, codes)
        if find_soft_edges(counts) is not None:
            return "soft_edges", path, str(error)
        if len(counts.pixels) > _MAX_COLOURS:
            return "photograph", path, f"it holds {len(counts.pixels)} colours"
        kind = "colours_for_ids" if "the classes have none" in str(error) else "illegal_colour"
        return kind, path, str(error)
    values = raw if raw.ndim == 2 else raw[..., 0]
    soft = find_soft_edges(count_values(values, values))
    return "illegal_id" if soft is None else "soft_edges", path, str(error)


def _check_format(facts: SampleFacts, path: str, *, lossless: bool = False) -> None:
    """Compare the first bytes of a file with its extension; a mask's format must keep values."""
    file = Path(path)
    suffix = _SAME_FORMAT.get(file.suffix.lower(), file.suffix.lower())
    if suffix not in _SIGNATURES or not file.is_file():
        return
    with file.open("rb") as opened:
        head = opened.read(4)
    true = next((key for key, start in _SIGNATURES.items() if head.startswith(start)), None)
    if head == b"MM\x00*":
        true = ".tif"
    if lossless and (is_lossy(file) or true == ".jpg"):
        facts.add("lossy_mask", path, "JPEG and the like change the values of labels")
    elif true is not None and true != suffix:
        facts.add("wrong_extension", path, f"it is a {true[1:].upper()}")


def _make_thumbnail(image: Frame) -> Frame:
    small: NDArray[Any] = cv2.resize(
        np.ascontiguousarray(image[..., :3]), (THUMBNAIL_PX, THUMBNAIL_PX),
        interpolation=cv2.INTER_AREA,
    )  # fmt: skip
    return np.asarray(small if small.ndim == 2 else small.mean(-1), np.uint8)
