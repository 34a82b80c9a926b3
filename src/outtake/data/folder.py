"""Any user's images and masks: one folder per split, or a csv."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from outtake.core.errors import ConfigError, DataRootError
from outtake.core.types import Frame, LabelMap
from outtake.data.class_file import ClassList, class_names, declared_code, read_classes
from outtake.data.discover_pairs import check_root, check_split, pair_folders
from outtake.data.image_files import read_image, read_raw_mask
from outtake.data.infer_classes import discovered_code
from outtake.data.mask_encoding import MaskCode
from outtake.data.source import SPLITS, Pair
from outtake.data.split_layouts import find_folders, list_layouts, read_csv

CLASSES_FILE = "classes.yaml"


class Folder:
    """Image and mask pairs in folders or listed in a csv; ``docs/data.md`` shows the layouts.

    Args:
        root: the data set's folder.
        classes: a yaml with ``names`` and optionally ``colours`` and ``ignore``, or the names
            themselves. None reads ``classes.yaml`` in ``root``, and without it finds the
            classes in the training masks.
        csv: a table with the columns ``split, image, mask``; its paths are relative to it.
        val_fraction: the part (0 to 1) of ``train`` that becomes ``val`` where there is no
            ``val``, chosen by a hash of the ids.
        image_suffix: an ending that image names have and mask names have not.
        mask_suffix: an ending that mask names have and image names have not, as ``_mask``.
        channels: 1 or 3 converts every image; None takes what the first image has.

    Raises:
        DataRootError: no such folder, no known layout in it, or a csv that is not as above.
        ConfigError: a classes file or an option that can not be.
        PairingError, EmptySplitError, UnreadableImageError, LabelValueError: in the training
            split, which is looked at to find channels and classes.
    """

    def __init__(
        self,
        root: str,
        classes: str | Sequence[str] | None = None,
        csv: str | None = None,
        val_fraction: float | None = None,
        image_suffix: str = "",
        mask_suffix: str = "",
        channels: int | None = None,
    ) -> None:
        if val_fraction is not None and not 0 < val_fraction < 1:
            raise ConfigError(
                f"data.source.val_fraction is {val_fraction}: give more than 0 and less than 1"
            )
        if channels not in (None, 1, 3):
            raise ConfigError(
                f"data.source.channels is {channels}: give 1 (grayscale), 3 (RGB) or null"
            )
        self.root = check_root(root)
        self.name = self.root.resolve().name or "folder"
        self._suffixes = (image_suffix, mask_suffix)
        self._val_fraction = val_fraction
        self._listed = None if csv is None else read_csv(_locate(csv, self.root))
        self._convert_to = channels
        train = self._stored_pairs("train")
        self.channels: int = read_image(train[0].image, channels).shape[2]
        self._code = self._find_code(classes, [pair.mask for pair in train])
        self.labels = self._code.labels

    def pairs(self, split: str) -> list[Pair]:
        """Return the samples of a split, in the order of their ids.

        Raises:
            ConfigError: no split is called so.
            DataRootError: the split is not there.
            PairingError: an image or mask without its partner.
            EmptySplitError: the split holds nothing.
        """
        check_split(split)
        if split == "test" or self._has("val"):
            return self._stored_pairs(split)
        if self._val_fraction is None:
            return self._stored_pairs(split)
        train, val = _split_by_hash(self._stored_pairs("train"), self._val_fraction)
        return train if split == "train" else val

    def read_image(self, pair: Pair) -> Frame:
        """Return uint8 (H, W, channels).

        Raises:
            UnreadableImageError: the file can not be decoded.
            DataRootError: it has other channels than the first training image.
        """
        image = read_image(pair.image, self._convert_to)
        if image.shape[2] != self.channels:
            raise DataRootError(
                f"the image {pair.image} has {image.shape[2]} channels, the first one had "
                f"{self.channels}; set data.source.channels=3 (RGB) or 1 (grayscale) to convert "
                "all of them"
            )
        return image

    def read_mask(self, pair: Pair) -> LabelMap:
        """Return class ids, uint8 (H, W), 255 where unlabelled."""
        return self._code.encode(read_raw_mask(pair.mask), pair.mask)

    def content(self, pair: Pair) -> tuple[bytes, ...]:
        """Return the bytes of the image's and the mask's file."""
        return Path(pair.image).read_bytes(), Path(pair.mask).read_bytes()

    def _find_code(self, classes: str | Sequence[str] | None, masks: list[str]) -> MaskCode:
        if classes is None:
            usual = self.root / CLASSES_FILE
            if not usual.is_file():
                return discovered_code(masks)
            return declared_code(read_classes(usual), masks)
        if isinstance(classes, str):
            return declared_code(read_classes(_locate(classes, self.root)), masks)
        try:
            names = class_names(classes)
        except ValueError as error:
            raise ConfigError(
                f"data.source.classes: {error}, as in 'data.source.classes=[background,\"no\"]'"
            ) from error
        return declared_code(ClassList(names), masks)

    def _has(self, split: str) -> bool:
        if self._listed is not None:
            return split in self._listed
        return find_folders(self.root, split) is not None

    def _stored_pairs(self, split: str) -> list[Pair]:
        if not self._has(split):
            raise self._no_split(split)
        if self._listed is not None:
            return self._listed[split]
        folders = find_folders(self.root, split)
        assert folders is not None  # _has(split) said so
        image_suffix, mask_suffix = self._suffixes
        return pair_folders(*folders, image_suffix=image_suffix, mask_suffix=mask_suffix)

    def _no_split(self, split: str) -> DataRootError:
        there = [name for name in SPLITS if self._has(name)]
        if not there:
            return DataRootError(
                f"no images with masks in {self.root}, which holds: {_held(self.root)}; "
                f"the layouts are: {list_layouts()}; or give data.source.csv=PATH"
            )
        advice = (
            "set data.source.val_fraction=0.2 to take a fifth of train for it, or add it"
            if split == "val"
            else f"add it as {list_layouts(split)}"
        )
        return DataRootError(
            f"no split {split!r} in {self.root}, which has: {', '.join(there)}; {advice}"
        )


def _locate(path: str, root: Path) -> Path:
    given = Path(path).expanduser()
    return given if given.exists() or given.is_absolute() else root / given


def _held(root: Path) -> str:
    names = sorted(path.name for path in root.iterdir() if not path.name.startswith("."))
    return ", ".join(names[:8]) + (" ..." if len(names) > 8 else "") if names else "nothing"


def _split_by_hash(pairs: list[Pair], fraction: float) -> tuple[list[Pair], list[Pair]]:
    """Divide pairs into train and val; the smallest hashes of the ids are val."""
    if len(pairs) < 2:
        raise DataRootError("data.source.val_fraction needs at least two training images")
    ranked = sorted(pairs, key=lambda pair: hashlib.sha256(pair.id.encode()).digest())
    count = min(max(round(len(pairs) * fraction), 1), len(pairs) - 1)
    chosen = {pair.id for pair in ranked[:count]}
    train = [pair for pair in pairs if pair.id not in chosen]
    return train, [pair for pair in pairs if pair.id in chosen]
