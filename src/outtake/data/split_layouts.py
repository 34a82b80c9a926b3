"""The places in which a user's splits are looked for: folders of several layouts, or a csv."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from os.path import splitext
from pathlib import Path

from outtake.core.errors import DataRootError, EmptySplitError, PairingError
from outtake.data.discover_pairs import lossy_mask_error, summarize_names
from outtake.data.image_files import IMAGE_SUFFIXES, LOSSY_SUFFIXES
from outtake.data.source import SPLITS, Sample

SPLIT_NAMES = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}
MASK_FOLDERS = ("masks", "labels", "annotations")
MASK_ENDINGS = ("annot", "_masks", "_labels", "_annotations")
COLUMNS = ("split", "image", "mask")


def find_split_folders(root: Path, split: str) -> tuple[Path, Path] | None:
    """Return the folders of a split's images and masks, or None where there is no such split.

    Raises:
        DataRootError: the images' folder is there without the masks'.
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
        DataRootError: no such file, a column is missing, or a split is called otherwise.
        EmptySplitError: it has no rows.
        PairingError: a row names a file that does not exist, or an image comes twice.
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
    for split, pairs in splits.items():
        pairs.sort(key=lambda pair: pair.id)
        repeated = [name for name, count in Counter(pair.id for pair in pairs).items() if count > 1]
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
