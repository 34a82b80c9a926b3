"""Find the folders of images and masks of a split, in the layouts that tools and data sets use."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from outtake.core.errors import ConfigError, DataRootError
from outtake.data.list_pictures import contains_pictures

SPLIT_NAMES = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}
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
        """Return the names that the list holds, or None if there is no list."""
        return None if self.listed is None else read_name_list(self.listed)


def read_name_list(path: Path) -> list[str]:
    """Return the first word of each line of a text file.

    Raises:
        DataRootError: The file cannot be read.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataRootError(f"cannot read the list {path}: {error}") from error
    return list(dict.fromkeys(line.split()[0] for line in lines if line.strip()))


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
                "data.source.masks=PATH"
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
    """
    for name in SPLIT_NAMES[split]:
        if (images / name).is_dir() and (masks / name).is_dir():
            return SplitFolders(images / name, masks / name)
    divided = any(
        (images / name).is_dir() and (masks / name).is_dir()
        for names in SPLIT_NAMES.values()
        for name in names
    )
    return SplitFolders(images, masks) if split == "train" and not divided else None


def is_undivided(folder: Path) -> bool:
    """Return whether all pictures of a folder are ``train``: no subfolder has a split's name.

    Raises:
        DataRootError: It holds pictures beside such a subfolder, whose own would be trained on.
    """
    names = (name for names in SPLIT_NAMES.values() for name in names)
    divided = next((folder / name for name in names if (folder / name).is_dir()), None)
    if divided is not None and contains_pictures(folder):
        raise DataRootError(
            f"{folder} holds pictures beside the folder {divided.name}, which is a split: move "
            "those of train, with their masks or annotations, into folders train, or rename "
            f"{divided.name}"
        )
    return divided is None


def describe_layouts(split: str = "train") -> str:
    """Return the most usual layouts in words."""
    return (
        f"{split}/images with {split}/masks, images/{split} with masks/{split}, "
        f"{split} with {split}annot or {split}_masks"
        + (", images with masks" if split == "train" else "")
    )


def _candidate_folders(root: Path, split: str) -> Iterator[SplitFolders]:
    there = {path.name for path in root.iterdir() if path.is_dir()}
    image_folders = [name for name in IMAGE_FOLDERS if name in there]
    mask_folders = [name for name in MASK_FOLDERS if name in there] or list(MASK_FOLDERS[:1])
    for name in SPLIT_NAMES[split]:
        if name in there:
            for images in IMAGE_FOLDERS:
                for masks in MASK_FOLDERS:
                    yield SplitFolders(root / name / images, root / name / masks)
        for images in image_folders:
            for masks in mask_folders:
                yield SplitFolders(root / images / name, root / masks / name)
        for images in IMAGE_FOLDERS:
            for masks in MASK_FOLDERS:
                yield SplitFolders(root / f"{images}_{name}", root / f"{masks}_{name}")
                yield SplitFolders(root / f"{name}_{images}", root / f"{name}_{masks}")
        for ending in MASK_ENDINGS:
            yield SplitFolders(root / name, root / f"{name}{ending}")
        for masks in mask_folders:
            if "JPEGImages" in there:
                listed = root / "ImageSets" / "Segmentation" / f"{name}.txt"
                yield SplitFolders(root / "JPEGImages", root / masks, listed)
    if split == "train" and not (root / "ImageSets" / "Segmentation").is_dir():
        for images in image_folders:
            if contains_pictures(root / images) and is_undivided(root / images):
                for masks in mask_folders:
                    yield SplitFolders(root / images, root / masks)
