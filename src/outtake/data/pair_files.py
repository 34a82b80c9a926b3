"""Match the images of one folder with the masks of another, by their names."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from outtake.core.errors import EmptySplitError, PairingError
from outtake.core.printable_text import list_some
from outtake.data.decode_files import IMAGE_SUFFIXES, is_lossy
from outtake.data.list_pictures import PictureList, list_pictures
from outtake.data.name_lists import choose_listed
from outtake.data.source import Sample, warn_of_data

MissingMasks = Literal["error", "skip", "background", "unlabelled"]
MISSING_MASKS = ("error", "skip", "background", "unlabelled")
# Endings of image and mask names that are tried where none are given.
_KNOWN_ENDINGS = (
    ("_leftImg8bit", "_gtFine_labelTrainIds"),
    ("_leftImg8bit", "_gtFine_labelIds"),
    ("_leftImg8bit", "_gtCoarse_labelIds"),
)


@dataclass(frozen=True)
class FilePairs:
    """The images and masks of two folders, by their ids.

    Attributes:
        images: The listed images.
        masks: The listed masks.
        matched: The image and the mask of each id that has both.
        unmasked: The images without a mask.
        orphans: The masks without an image.
        endings: The endings of image and mask names, which ids do not have.
        guessed: Whether the endings were found, not given.
        absent: The ids that the list of the split names, and that have no image.
    """

    images: PictureList
    masks: PictureList
    matched: Mapping[str, tuple[Path, Path]]
    unmasked: Mapping[str, Path]
    orphans: Mapping[str, Path]
    endings: tuple[str, str]
    guessed: bool = False
    absent: tuple[str, ...] = ()


def pair_folders(
    images: Path, masks: Path, *, image_suffix: str | None = "", mask_suffix: str | None = ""
) -> list[Sample]:
    """Match the images of one folder with the masks of another, subfolders included.

    Args:
        images: The folder of images.
        masks: The folder of masks.
        image_suffix: The ending of image names, which ids do not have; other files are left out.
            None finds it.
        mask_suffix: The ending of mask names, likewise.

    Returns:
        The samples in the order of their ids. An id is the image's path under its folder, without
        suffix and extension.

    Raises:
        EmptySplitError: There is neither an image nor a mask.
        PairingError: An image has no mask, a mask has no image, or two files have one name.
    """
    return complete_pairs(match_files(images, masks, image_suffix, mask_suffix))


def match_files(
    images: Path,
    masks: Path,
    image_suffix: str | None = None,
    mask_suffix: str | None = None,
    only: Collection[str] | None = None,
) -> FilePairs:
    """Match two folders without judging what has no partner.

    Args:
        images: The folder of images.
        masks: The folder of masks; it may be the same one.
        image_suffix: The ending of image names; None finds it.
        mask_suffix: The ending of mask names; None finds it.
        only: The lines of the list of the split's ids, see
            :func:`outtake.data.name_lists.choose_listed`; None is all.
    """
    listed = list_pictures(images), list_pictures(masks)
    endings, guessed = (image_suffix or "", mask_suffix or ""), False
    if image_suffix is None or mask_suffix is None:
        found = _find_endings(
            list(listed[0].pictures), list(listed[1].pictures), image_suffix, mask_suffix
        )
        endings, guessed = found or endings, found is not None and found != ("", "")
    found_images = _strip_ending(listed[0].pictures, endings[0])
    found_masks = _strip_ending(listed[1].pictures, endings[1])
    if images == masks and endings[1] and not endings[0]:
        found_images = {k: v for k, v in found_images.items() if not k.endswith(endings[1])}
    absent: tuple[str, ...] = ()
    if only is not None:
        only = choose_listed(only, found_images)
        absent = tuple(name for name in only if name not in found_images)
        found_images = {name: found_images[name] for name in only if name in found_images}
        found_masks = {name: found_masks[name] for name in only if name in found_masks}
    return FilePairs(
        *listed,
        {
            name: (found_images[name], found_masks[name])
            for name in found_images
            if name in found_masks
        },
        {name: path for name, path in found_images.items() if name not in found_masks},
        {name: path for name, path in found_masks.items() if name not in found_images},
        endings,
        guessed,
        absent,
    )


def complete_pairs(
    pairs: FilePairs, missing_masks: MissingMasks | None = "error", *, lossy_masks: bool = False
) -> list[Sample]:
    """Return the samples in the order of their ids.

    Args:
        pairs: The matched folders.
        missing_masks: What becomes of images without a mask: an error; ``skip`` leaves them out,
            and masks without an image; ``background`` and ``unlabelled`` give them an empty path.
            None is an error too, of a data set whose pairs no option changes.
        lossy_masks: Allow masks in formats that change values, such as JPEG.

    Raises:
        EmptySplitError: There is neither an image nor a mask.
        PairingError: A file has no partner or two files have one name.
    """
    _check_listed(pairs)
    if pairs.absent:
        text = (
            f"{len(pairs.absent)} images that the list of the split names are not in "
            f"{pairs.images.folder}: {list_some(sorted(pairs.absent))}"
        )
        if missing_masks != "skip":
            option = "" if missing_masks is None else ", or set data.source.missing_masks=skip"
            raise PairingError(f"{text}; add them, or take them out of the list{option}")
        warn_of_data(f"{text}; they are left out")
    if missing_masks in (None, "error") or (missing_masks != "skip" and pairs.orphans):
        _check_complete(
            pairs,
            checks_images=missing_masks in (None, "error"),
            advice=propose_pairing(pairs, has_options=missing_masks is not None),
        )
    if pairs.guessed:
        image_ending, mask_ending = pairs.endings
        warn_of_data(
            f"the mask of NAME{image_ending} is taken to be NAME{mask_ending} in "
            f"{pairs.masks.folder}; data.source.image_suffix and mask_suffix choose others"
        )
    lossy = None if lossy_masks else find_lossy_mask(pairs)
    if lossy is not None:
        raise lossy_mask_error(lossy)
    for pictures in (pairs.images, pairs.masks):
        if line := pictures.describe_passed_over():
            warn_of_data(line)
    samples = [Sample(name, str(image), str(mask)) for name, (image, mask) in pairs.matched.items()]
    say_unmasked(pairs.unmasked, pairs.images.folder, missing_masks)
    if missing_masks != "skip":
        samples += [Sample(name, str(image), "") for name, image in pairs.unmasked.items()]
    if pairs.orphans:
        warn_of_data(
            f"{len(pairs.orphans)} masks in {pairs.masks.folder} have no image and are left out: "
            f"{list_some(sorted(pairs.orphans))}"
        )
    return sorted(samples, key=lambda sample: sample.id)


def say_unmasked(names: Collection[str], where: Path, missing_masks: MissingMasks | None) -> None:
    """Warn of images of a folder or a table that have no mask, if there are any."""
    if names:
        what = {"skip": "left out", "background": "background throughout"}
        warn_of_data(
            f"{len(names)} images in {where} have no mask and are "
            f"{what.get(str(missing_masks), 'unlabelled')}: {list_some(sorted(names))}"
        )


def find_lossy_mask(pairs: FilePairs) -> Path | None:
    """Return the first mask whose format changes values, or None."""
    return next((mask for _, mask in pairs.matched.values() if is_lossy(mask)), None)


def lossy_mask_error(path: Path) -> PairingError:
    """Return the error for a mask that is a JPEG or the like."""
    kind = "JPEG" if path.suffix.lower() in {".jpg", ".jpeg"} else f"lossy {path.suffix[1:]}"
    return PairingError(
        f"the mask {path} is a {kind}, which changes label values; save masks as PNG, TIFF or "
        "BMP, or set data.source.threshold=128 where they are black and white"
    )


def _strip_ending(pictures: Mapping[str, Path], ending: str) -> dict[str, Path]:
    return {
        name.removesuffix(ending): path for name, path in pictures.items() if name.endswith(ending)
    }


def _find_endings(
    images: list[str], masks: list[str], image_suffix: str | None, mask_suffix: str | None
) -> tuple[str, str] | None:
    """Return the endings that make pairs: none, known ones, or what all names have in common."""
    image_endings = ["", common_ending(images)] if image_suffix is None else [image_suffix]
    mask_endings = ["", common_ending(masks)] if mask_suffix is None else [mask_suffix]
    usual = [(first, second) for first in image_endings for second in mask_endings]
    known = [
        pair
        for pair in _KNOWN_ENDINGS
        if image_suffix in (None, pair[0]) and mask_suffix in (None, pair[1])
    ]
    for first, second in usual[:1] + known + usual[1:]:
        stems = {name.removesuffix(first) for name in images if name.endswith(first)}
        others = {name.removesuffix(second) for name in masks if name.endswith(second)}
        if stems & others and ((first, second) == usual[0] or stems <= others):
            return first, second
    return None


def common_ending(names: list[str]) -> str:
    """Return what all names end in, from a separator on: ``_mask`` of a_mask and b_mask."""
    if len(names) < 2:
        return ""
    turned = sorted(name[::-1] for name in names)
    same = [first == last for first, last in zip(turned[0], turned[-1], strict=False)]
    length = [*same, False].index(False)  # the first and the last differ as early as any two
    ending = turned[0][:length][::-1]
    starts = [ending.find(separator) for separator in "_-. " if separator in ending]
    return ending[min(starts) :] if starts else ""


def _check_listed(pairs: FilePairs) -> None:
    for pictures, kind in ((pairs.images, "image"), (pairs.masks, "mask")):
        ending = pairs.endings[kind == "mask"]
        for name, kept, other in pictures.repeated:
            if name.endswith(ending):
                raise PairingError(
                    f"two {kind}s named {name.removesuffix(ending)!r}: {kept.name} and "
                    f"{other.name} in {other.parent}; keep one, or tell them apart with "
                    f"data.source.{kind}_suffix"
                )
    if not (pairs.matched or pairs.unmasked or pairs.orphans or pairs.absent):
        ending = f" whose names end in {pairs.endings[0]!r}" if pairs.endings[0] else ""
        left_out = pairs.images.describe_passed_over()
        raise EmptySplitError(
            f"no images{ending} in {pairs.images.folder}; put "
            f"{', '.join(sorted(IMAGE_SUFFIXES))} files there, or take the folder away"
            + (f" ({left_out})" if left_out else "")
        )


def _check_complete(pairs: FilePairs, *, checks_images: bool, advice: str) -> None:
    unmasked = pairs.unmasked if checks_images else {}
    if not unmasked and not pairs.orphans:
        return
    images, masks = pairs.images.folder, pairs.masks.folder
    parts = []
    if unmasked:
        count = len(pairs.matched) + len(unmasked)
        parts.append(
            f"{len(unmasked)} of {count} images in {images} have no mask of that "
            f"name in {masks}: {list_some(sorted(unmasked))}"
        )
    if pairs.orphans:
        count = len(pairs.matched) + len(pairs.orphans)
        parts.append(
            f"{len(pairs.orphans)} of {count} masks in {masks} have no image in {images}: "
            f"{list_some(sorted(pairs.orphans))}"
        )
    parts += filter(None, (each.describe_passed_over() for each in (pairs.images, pairs.masks)))
    raise PairingError("; ".join(parts) + f"; {advice}")


def propose_pairing(pairs: FilePairs, *, has_options: bool = True) -> str:
    """Return what may make pairs of the files that have no partner.

    Args:
        pairs: The matched folders.
        has_options: Whether options of the data set change which files are pairs.
    """
    if not has_options:
        return "add what is missing, or remove the partner"
    if ending := _guess_mask_ending(pairs.unmasked, pairs.orphans):
        first = min(pairs.unmasked)
        return f"if {first + ending!r} is the mask of {first!r}, set " + (
            f"data.source.mask_suffix={ending}"
        )
    simple = {name.casefold().strip() for name in pairs.orphans}
    for name in sorted(pairs.unmasked):
        if name.casefold().strip() in simple:
            return f"{name!r} differs from a mask in upper case or spaces only: rename one"
    return (
        "add what is missing, remove the partner, or set data.source.missing_masks to skip, "
        "background or unlabelled"
    )


def _guess_mask_ending(unmasked: Mapping[str, Path], orphans: Mapping[str, Path]) -> str:
    """Guess the ending that every mask has after its image's name, as in ``cat_mask.png``."""
    if not unmasked:
        return ""
    first = min(unmasked)
    endings = {name.removeprefix(first) for name in orphans if name.startswith(first)}
    for ending in sorted(endings):
        if all(name + ending in orphans for name in unmasked):
            return ending
    return ""
