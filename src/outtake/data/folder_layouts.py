"""Find the folders of images and masks of a split, in the layouts that tools and data sets use."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from outtake.core.errors import ConfigError, DataRootError
from outtake.data.list_pictures import contains_pictures
from outtake.data.name_lists import read_name_list
from outtake.data.source import SPLITS
from outtake.data.split_names import (
    SPLIT_NAMES,
    find_split_folder,
    is_undivided,
    list_split_folders,
)

IMAGE_FOLDERS = (
    "images", "img_dir", "image", "imgs", "img", "images_prepped", "leftImg8bit", "JPEGImages"
)  # fmt: skip
MASK_FOLDERS = (
    "masks", "labels", "annotations", "ann_dir", "mask", "label", "annotation", "gt",
    "annotations_prepped", "gtFine", "SegmentationClass",
)  # fmt: skip
MASK_ENDINGS = ("annot", "_masks", "_labels", "_annotations", "_mask", "_labels_ids")


@dataclass(frozen=True)
class SplitFolders:
    """Where the files of a split are.

    Attributes:
        images: The folder of images.
        masks: The folder of masks.
        listed: A text file that names the split's images, one a line; None takes all.
    """

    images: Path
    masks: Path
    listed: Path | None = None

    def names(self) -> list[str] | None:
        """Return the lines that the list holds, or None if there is no list."""
        return None if self.listed is None else read_name_list(self.listed)


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


def find_root(
    root: str | None, images: str | None, masks: str | None
) -> tuple[Path, tuple[Path, Path] | None]:
    """Return the root of a folder of data, and the two folders that were named, if any.

    Raises:
        ConfigError: Too little was named.
        DataRootError: A folder is not there.
    """
    if (images is None) != (masks is None):
        raise ConfigError(
            "data.source.images and data.source.masks go together: give both folders, or neither"
        )
    if images is None or masks is None:
        if root is None:
            raise ConfigError(
                "data.root has no value: set data.root=PATH, or data.source.images=PATH "
                "data.source.masks=PATH, or data.source.csv=PATH of a table"
            )
        return check_root(root), None
    base = Path() if root is None else check_root(root)
    folders = resolve_path(images, base), resolve_path(masks, base)
    for folder, key in zip(folders, ("images", "masks"), strict=True):
        if not folder.is_dir():
            raise DataRootError(f"data.source.{key}={folder}: no such folder; give its path")
    return (folders[0].parent if root is None else base), folders


def resolve_path(path: str, root: Path) -> Path:
    """Return a path as it is given if it exists, or below the root."""
    given = Path(path).expanduser()
    return given if given.exists() or given.is_absolute() else root / given


def list_contents(root: Path) -> str:
    """Return the first names in a folder."""
    names = sorted(path.name for path in root.iterdir() if not path.name.startswith("."))
    return ", ".join(names[:8]) + (" ..." if len(names) > 8 else "") if names else "nothing"


def find_split_folders(root: Path, split: str) -> SplitFolders | None:
    """Return the folders of a split's images and masks, or None if there is no such split.

    Raises:
        DataRootError: There is a folder of images without a folder of masks, or one that is both
            a split and divided into splits.
    """
    unmasked: Path | None = None
    for folders in _candidate_folders(root, split):
        images, masks = folders.images, folders.masks
        if folders.listed is not None and not folders.listed.is_file():
            continue
        if images.is_dir() and masks.is_dir():
            return folders
        if unmasked is None and contains_pictures(images):
            unmasked = images
    if unmasked is not None:
        raise DataRootError(
            f"the folder {unmasked} has no folder of masks beside it; the layouts are: "
            f"{describe_layouts(split)}; or name both: data.source.images=PATH "
            "data.source.masks=PATH"
        )
    return None


def find_named_folders(images: Path, masks: Path, split: str) -> SplitFolders | None:
    """Return the folders of a split below two folders that the user named.

    Either has a subfolder for each split, or all of it is ``train``.

    Raises:
        DataRootError: Only the images are divided into splits, or it cannot be told whether.
    """
    found = {each: _find_both(images, masks, each) for each in SPLITS}
    if found[split] is not None:
        return found[split]
    if split != "train" or any(found.values()):
        return None
    if not is_undivided(images):
        raise DataRootError(
            f"{images} has a folder for a split and {masks} has none of that name: give both the "
            "same folders, or name those of one split"
        )
    return SplitFolders(images, masks)


def _find_both(images: Path, masks: Path, split: str) -> SplitFolders | None:
    of_images, of_masks = find_split_folder(images, split), find_split_folder(masks, split)
    return None if of_images is None or of_masks is None else SplitFolders(of_images, of_masks)


def describe_layouts(split: str = "train") -> str:
    """Return the most usual layouts in words."""
    return (
        f"{split}/images with {split}/masks, images/{split} with masks/{split}, "
        f"{split} with {split}annot or {split}_masks"
        + (", images with masks" if split == "train" else "")
    )


def _candidate_folders(root: Path, split: str) -> Iterator[SplitFolders]:
    there = {path.name for path in root.iterdir() if path.is_dir()}
    spelt = {name.casefold(): name for name in sorted(there)}
    image_folders = [name for name in IMAGE_FOLDERS if name in there]
    mask_folders = [name for name in MASK_FOLDERS if name in there] or list(MASK_FOLDERS[:1])

    def at(name: str) -> Path:
        return root / (name if name in there else spelt.get(name.casefold(), name))

    for folder in list_split_folders(root, split):
        for images in IMAGE_FOLDERS:
            for masks in MASK_FOLDERS:
                yield SplitFolders(folder / images, folder / masks)
        for ending in MASK_ENDINGS:
            yield SplitFolders(folder, at(f"{folder.name}{ending}"))
    for images in image_folders:
        for inner in list_split_folders(root / images, split):
            for masks in mask_folders:
                # Of the same name before another spelling: train2017 before train.
                yield SplitFolders(inner, root / masks / inner.name)
                for other in list_split_folders(root / masks, split):
                    yield SplitFolders(inner, other)
    for name in SPLIT_NAMES[split]:
        for images in IMAGE_FOLDERS:
            for masks in MASK_FOLDERS:
                yield SplitFolders(at(f"{images}_{name}"), at(f"{masks}_{name}"))
                yield SplitFolders(at(f"{name}_{images}"), at(f"{name}_{masks}"))
        for masks in mask_folders:
            if "JPEGImages" in there:
                listed = root / "ImageSets" / "Segmentation" / f"{name}.txt"
                yield SplitFolders(root / "JPEGImages", root / masks, listed)
    if split == "train" and not (root / "ImageSets" / "Segmentation").is_dir():
        for images in image_folders:
            if contains_pictures(root / images) and is_undivided(root / images):
                for masks in mask_folders:
                    yield SplitFolders(root / images, root / masks)
