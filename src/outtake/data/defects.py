"""What can be wrong with a data set, how bad it is, and what mends it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Severity = Literal["error", "warning"]
SEVERITIES: tuple[Severity, ...] = get_args(Severity)


@dataclass(frozen=True, slots=True)
class DefectKind:
    """One kind of defect.

    Attributes:
        title: What is wrong, in a few words.
        severity: Whether training is refused or misled (``error``), or may be (``warning``).
        mend: What to do about it.
    """

    title: str
    severity: Severity
    mend: str


@dataclass(frozen=True, slots=True)
class Defect:
    """One defect.

    Attributes:
        kind: The key of its kind in :data:`KINDS`.
        split: The split, or nothing where it is of the whole data set.
        where: The file, or what else it is about.
        text: What was found.
        sample: The id of the sample whose pictures show it; empty where none does.
    """

    kind: str
    split: str
    where: str
    text: str
    sample: str = ""


def _error(title: str, mend: str) -> DefectKind:
    return DefectKind(title, "error", mend)


def _warning(title: str, mend: str) -> DefectKind:
    return DefectKind(title, "warning", mend)


_SOFT = "data.source.soft_edges=nearest, or data.source.threshold=128 for black and white"
KINDS: dict[str, DefectKind] = {
    # files and names
    "no_data": _error("the data set cannot be opened", "follow the message"),
    "empty_split": _error("split without a sample", "add files, or take the folder away"),
    "no_val": _warning("no val split", "data.source.val_fraction=0.2, or add a folder of val"),
    "missing_mask": _error(
        "image without a mask", "draw it, or data.source.missing_masks=skip, background, unlabelled"
    ),
    "orphan_mask": _error(
        "mask without an image", "add the image, or data.source.missing_masks=skip"
    ),
    "repeated_name": _error("two files of one name", "keep one of them"),
    "absent_image": _error("listed image that is not there", "add it, or correct the list"),
    "left_out": _warning("files that are left out", "convert them, or take them away"),
    "lossy_mask": _error(
        "mask in a format that changes values", "save masks as PNG, or data.source.threshold=128"
    ),
    "wrong_extension": _warning("format unlike the file's name", "give it its true extension"),
    # decoding
    "empty_file": _error("file of 0 bytes", "restore it, or remove it with its partner"),
    "no_picture": _error("file that is no picture", "restore it, or remove it with its partner"),
    "unreadable_image": _error("image that cannot be decoded", "restore it, or remove both"),
    "unreadable_mask": _error("mask that cannot be decoded", "restore it, or remove both"),
    "several_pictures": _error("several pictures in one file", "save the one that is meant"),
    "channels": _error("image of other channels", "data.source.channels=3 (RGB) or 1 (gray)"),
    "further_size": _error(
        "further input of another size than its image", "bring both to one size"
    ),
    "further_labels": _error(
        "file of data.further_labels that does not fit its image or classes",
        "make it anew at the image's size, with the ids of its classes",
    ),
    # an image and its mask
    "size": _error("image and mask of different sizes", "make the mask anew at the image's size"),
    "turned": _error(
        "mask turned against its image",
        "turn it: it was drawn before the image's EXIF orientation was applied",
    ),
    "mask_is_image": _error("mask that is the image itself", "replace it by the drawn mask"),
    "blank_image": _warning("image of one colour", "remove it with its mask"),
    "few_shades": _warning(
        "image of hardly any shades", "data.source.range=[low,high] for 16-bit samples"
    ),
    "lost_samples": _warning(
        "samples that no range holds", "data.source.range=[low,high] that holds them"
    ),
    # values
    "classes": _error("classes cannot be told from the masks", "list them in classes.yaml"),
    "illegal_id": _error(
        "number or name that is no class", "correct it, or name it in classes.yaml"
    ),
    "illegal_colour": _error("colour that is no class", "correct it, or list it in classes.yaml"),
    "colours_for_ids": _error(
        "mask in colours where numbers are expected", "list `colours:` in classes.yaml"
    ),
    "soft_edges": _error("mask with soft edges", _SOFT),
    "photograph": _error("mask that is a photograph", "replace it by the drawn mask"),
    "black_and_white": _error(
        "0 and 255 taken for a class and unlabelled",
        "name two classes, or data.source.threshold=128",
    ),
    "all_unlabelled": _warning("mask without a labelled pixel", "label it, or remove both"),
    # classes
    "class_nowhere": _warning("class without a pixel", "add pictures of it, or drop the class"),
    "class_not_in_train": _error(
        "class that train lacks", "move pictures of it into train, or drop the class"
    ),
    "class_nearly_all": _warning(
        "class with nearly all pixels", "weight the classes in the loss, or crop around the others"
    ),
    # duplicates
    "same_across": _error("image in two splits", "keep it in one of them"),
    "same_within": _warning("image twice in a split", "remove one"),
    "two_labels": _error("one image with different masks", "keep the right one"),
    "one_mask": _warning("one mask for different images", "look whether it was copied"),
    "similar_across": _warning(
        "image in two splits, resized or encoded anew", "keep it in one of them"
    ),
    "video_across": _warning(
        "neighbouring frames in two splits", "put whole videos into one split"
    ),
}
