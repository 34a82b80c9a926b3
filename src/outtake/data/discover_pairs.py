"""Find images and their masks in folders."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from outtake.core.errors import ConfigError, DataRootError, EmptySplitError, PairingError
from outtake.data.image_files import IMAGE_SUFFIXES, LOSSY_SUFFIXES
from outtake.data.source import SPLITS, Sample

MAX_LISTED_NAMES = 3


def check_root(root: str | Path) -> Path:
    """Return ``root`` as a path.

    Raises:
        DataRootError: it is not a folder.
    """
    path = Path(root).expanduser()
    if not path.is_dir():
        raise DataRootError(
            f"no such data root: {path}; set data.root=PATH to the data set's folder, "
            "or the variable OUTTAKE_DATA to the folder that holds it"
        )
    return path


def check_split(split: str) -> None:
    """Raise ConfigError unless ``split`` is one of train, val and test."""
    if split not in SPLITS:
        raise ConfigError(f"unknown split {split!r}; the splits are: {', '.join(SPLITS)}")


def pair_folders(
    images: Path, masks: Path, *, image_suffix: str = "", mask_suffix: str = ""
) -> list[Sample]:
    """Match the images of one folder with the masks of another, subfolders included.

    Args:
        images: folder of images.
        masks: folder of masks.
        image_suffix: an ending that image names have and ids do not; others are left out.
        mask_suffix: an ending that mask names have and ids do not; others are left out.

    Returns:
        Pairs in the order of their ids. An id is the image's path under its folder, without
        suffix and extension.

    Raises:
        EmptySplitError: there is no image and no mask.
        PairingError: an image without mask, a mask without image, or two files of one name.
    """
    found_images = _index_by_id(images, image_suffix, "image", "data.source.image_suffix")
    found_masks = _index_by_id(masks, mask_suffix, "mask", "data.source.mask_suffix")
    if not found_images and not found_masks:
        ending = f" whose names end in {image_suffix!r}" if image_suffix else ""
        raise EmptySplitError(
            f"no images{ending} in {images}; put {', '.join(sorted(IMAGE_SUFFIXES))} files "
            "there, or take the folder away"
        )
    _check_complete(found_images, found_masks, images, masks)
    lossy = [path for path in found_masks.values() if path.suffix.lower() in LOSSY_SUFFIXES]
    if lossy:
        raise lossy_mask_error(lossy[0])
    return [
        Sample(name, str(path), str(found_masks[name]))
        for name, path in sorted(found_images.items())
    ]


def lossy_mask_error(path: Path) -> PairingError:
    """Return the error for a mask that is a JPEG."""
    return PairingError(
        f"the mask {path} is a JPEG, which changes label values; save masks as PNG, TIFF or BMP"
    )


def summarize_names(names: Iterable[str]) -> str:
    """Return the first few names, and how many more there are."""
    ordered = sorted(names)
    more = f" and {len(ordered) - MAX_LISTED_NAMES} more" if len(ordered) > MAX_LISTED_NAMES else ""
    return ", ".join(ordered[:MAX_LISTED_NAMES]) + more


def _index_by_id(folder: Path, suffix: str, kind: str, option: str) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() not in IMAGE_SUFFIXES or path.name.startswith("."):
            continue
        name = path.relative_to(folder).with_suffix("").as_posix()
        if not name.endswith(suffix):
            continue
        name = name.removesuffix(suffix)
        if name in found:
            raise PairingError(
                f"two {kind}s named {name!r}: {found[name].name} and {path.name} in "
                f"{path.parent}; keep one, or tell them apart with {option}"
            )
        found[name] = path
    return found


def _check_complete(
    found_images: dict[str, Path], found_masks: dict[str, Path], images: Path, masks: Path
) -> None:
    unmasked = found_images.keys() - found_masks.keys()
    orphans = found_masks.keys() - found_images.keys()
    if not unmasked and not orphans:
        return
    parts = []
    if unmasked:
        parts.append(
            f"{len(unmasked)} of {len(found_images)} images in {images} have no mask of that "
            f"name in {masks}: {summarize_names(unmasked)}"
        )
    if orphans:
        parts.append(
            f"{len(orphans)} of {len(found_masks)} masks in {masks} have no image in {images}: "
            f"{summarize_names(orphans)}"
        )
    hint = _suffix_hint(unmasked, orphans)
    advice = hint or "add what is missing, or remove the partner"
    raise PairingError("; ".join(parts) + f"; {advice}")


def _suffix_hint(unmasked: set[str], orphans: set[str]) -> str:
    """Guess the ending that every mask has after its image's name, as in ``cat_mask.png``."""
    if not unmasked:
        return ""
    first = min(unmasked)
    endings = {name.removeprefix(first) for name in orphans if name.startswith(first)}
    for ending in sorted(endings):
        if all(name + ending in orphans for name in unmasked):
            return f"if {first + ending!r} is the mask of {first!r}, set " + (
                f"data.source.mask_suffix={ending}"
            )
    return ""
