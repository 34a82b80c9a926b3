"""Find images with their masks: in folders of several layouts, or in a csv."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Iterator
from os.path import splitext
from pathlib import Path

from outtake.core.errors import DataRootError, EmptySplitError, PairingError
from outtake.data.image_files import IMAGE_SUFFIXES, LOSSY_SUFFIXES
from outtake.data.source import SPLITS, Sample

MAX_LISTED_NAMES = 3


def check_root(root: str | Path) -> Path:
    """Return ``root`` as a path.

    Raises:
        DataRootError: It is not a folder.
    """
    path = Path(root).expanduser()
    if not path.is_dir():
        raise DataRootError(
            f"no such data root: {path}; set data.root=PATH to the data set's folder, "
            "or the variable OUTTAKE_DATA to the folder that holds it"
        )
    return path


def pair_folders(
    images: Path, masks: Path, *, image_suffix: str = "", mask_suffix: str = ""
) -> list[Sample]:
    """Match the images of one folder with the masks of another, subfolders included.

    Args:
        images: The folder of images.
        masks: The folder of masks.
        image_suffix: The ending of image names, which ids do not have; other files are left out.
        mask_suffix: The ending of mask names, which ids do not have; other files are left out.

    Returns:
        The samples in the order of their ids. An id is the image's path under its folder, without
        suffix and extension.

    Raises:
        EmptySplitError: There is neither an image nor a mask.
        PairingError: An image has no mask, a mask has no image, or two files have one name.
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


SPLIT_NAMES = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}
MASK_FOLDERS = ("masks", "labels", "annotations")
MASK_ENDINGS = ("annot", "_masks", "_labels", "_annotations")
COLUMNS = ("split", "image", "mask")


def find_split_folders(root: Path, split: str) -> tuple[Path, Path] | None:
    """Return the folders of a split's images and masks, or None if there is no such split.

    Raises:
        DataRootError: There is a folder of images without a folder of masks.
    """
    unmasked: Path | None = None
    for images, masks in _candidate_folders(root, split):
        if images.is_dir() and masks.is_dir():
            return images, masks
        if unmasked is None and images.is_dir() and _contains_images(images):
            unmasked = images
    if unmasked is not None:
        raise DataRootError(
            f"the folder {unmasked} has no folder of masks beside it; the layouts are: "
            f"{describe_layouts(split)}"
        )
    return None


def describe_layouts(split: str = "train") -> str:
    """Return the accepted layouts in words."""
    return (
        f"{split}/images with {split}/masks, images/{split} with masks/{split}, "
        f"{split} with {split}annot or {split}_masks"
        + (", images with masks" if split == "train" else "")
    )


def _candidate_folders(root: Path, split: str) -> Iterator[tuple[Path, Path]]:
    for name in SPLIT_NAMES[split]:
        for masks in MASK_FOLDERS:
            yield root / name / "images", root / name / masks
        for masks in MASK_FOLDERS:
            yield root / "images" / name, root / masks / name
        for ending in MASK_ENDINGS:
            yield root / name, root / f"{name}{ending}"
    if split == "train" and _contains_images(root / "images"):
        for masks in MASK_FOLDERS:
            yield root / "images", root / masks


def _contains_images(folder: Path) -> bool:
    return folder.is_dir() and any(
        path.suffix.lower() in IMAGE_SUFFIXES for path in folder.iterdir()
    )


def read_csv(path: Path) -> dict[str, list[Sample]]:
    """Read a table of samples with the columns ``split, image, mask``.

    Without the column ``split`` every row is ``train``. Paths are relative to the table.

    Raises:
        DataRootError: The file or a column is missing, or a split has another name.
        EmptySplitError: The table has no rows.
        PairingError: A row names a file that does not exist, or an image is listed twice.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as lines:
            table = csv.DictReader(lines, skipinitialspace=True)
            columns = [name.strip().lower() for name in table.fieldnames or ()]
            table.fieldnames = columns
            rows = list(table)
    except OSError as error:
        raise DataRootError(
            f"cannot read the table {path}: {error.strerror}; set data.source.csv=PATH"
        ) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataRootError(f"the table {path} is not a csv in UTF-8: {error}") from error
    if not {"image", "mask"} <= set(columns):
        raise DataRootError(
            f"the table {path} has the columns {', '.join(columns) or 'none'}; "
            f"it needs {', '.join(COLUMNS)}"
        )
    if not rows:
        raise EmptySplitError(f"the table {path} has no rows below its header")
    return _group_by_split(path, rows)


def _group_by_split(path: Path, rows: list[dict[str, str]]) -> dict[str, list[Sample]]:
    splits: dict[str, list[Sample]] = {}
    missing: list[str] = []
    for line, row in enumerate(rows, start=2):
        split = _parse_split(path, line, row.get("split", "train"))
        image, mask = (path.parent / (row[key] or "").strip() for key in ("image", "mask"))
        missing += [f"{file} (line {line})" for file in (image, mask) if not file.is_file()]
        if mask.suffix.lower() in LOSSY_SUFFIXES:
            raise lossy_mask_error(mask)
        name = splitext(Path((row["image"] or "").strip()).as_posix())[0]
        splits.setdefault(split, []).append(Sample(name, str(image), str(mask)))
    if missing:
        raise PairingError(
            f"{len(missing)} files of the table {path} do not exist: {summarize_names(missing)}; "
            "paths are relative to the table's folder"
        )
    for split, samples in splits.items():
        samples.sort(key=lambda sample: sample.id)
        repeated = [
            name for name, count in Counter(sample.id for sample in samples).items() if count > 1
        ]
        if repeated:
            raise PairingError(
                f"images of the split {split} in the table {path} come more than once: "
                f"{summarize_names(repeated)}; keep one row each"
            )
    return splits


def _parse_split(path: Path, line: int, raw_name: str | None) -> str:
    name = (raw_name or "").strip().lower()
    for split, names in SPLIT_NAMES.items():
        if name in names:
            return split
    raise DataRootError(
        f"line {line} of the table {path} has the split {name!r}; "
        f"the splits are: {', '.join(SPLITS)}"
    )
