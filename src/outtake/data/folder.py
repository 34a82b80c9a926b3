"""Your own images and masks: one folder per split, or a csv."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from outtake.core.errors import ConfigError, DataRootError
from outtake.core.types import Frame, LabelMap
from outtake.data.class_file import (
    ClassList,
    check_class_names,
    decoder_from_class_file,
    read_class_file,
)
from outtake.data.discover_pairs import (
    check_root,
    describe_layouts,
    find_split_folders,
    pair_folders,
    read_csv,
)
from outtake.data.image_files import read_image, read_raw_mask
from outtake.data.infer_classes import infer_decoder
from outtake.data.mask_encoding import MaskDecoder
from outtake.data.source import SPLITS, Sample, check_split

CLASSES_FILE = "classes.yaml"


class Folder:
    """Images with masks in folders or listed in a csv; ``docs/data.md`` shows the layouts.

    Args:
        root: The folder of the data set.
        classes: A yaml with ``names`` and optionally ``colours`` and ``ignore``, or the names
            themselves. None reads ``classes.yaml`` in ``root``, and without it finds the
            classes in the training masks.
        csv: A table with the columns ``split, image, mask``; its paths are relative to it.
        val_fraction: The part (0 to 1) of ``train`` that becomes ``val`` where there is no ``val``,
            chosen by a hash of the ids.
        image_suffix: The ending of image names, which mask names do not have.
        mask_suffix: The ending of mask names, which image names do not have, such as ``_mask``.
        channels: 1 or 3 converts every image; None takes what the first image has.

    Raises:
        DataRootError: There is no such folder, it has no known layout, or the csv is not as above.
        ConfigError: A classes file or an option is wrong.
        PairingError, EmptySplitError, UnreadableImageError, LabelValueError: The training split,
            which is read to find channels and classes, is wrong.
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
        self._table = None if csv is None else read_csv(_resolve_path(csv, self.root))
        self._convert_to = channels
        first_samples = self._stored_samples("train")
        self.channels: int = read_image(first_samples[0].image, channels).shape[2]
        self._decoder = self._find_decoder(classes, [sample.mask for sample in first_samples])
        self.labels = self._decoder.labels

    def samples(self, split: str) -> list[Sample]:
        """Return the samples of a split, in the order of their ids."""
        check_split(split)
        if split == "test" or self._has_split("val"):
            return self._stored_samples(split)
        if self._val_fraction is None:
            return self._stored_samples(split)
        train, val = _split_by_hash(self._stored_samples("train"), self._val_fraction)
        return train if split == "train" else val

    def read_image(self, sample: Sample) -> Frame:
        """Return uint8 (H, W, channels).

        Raises:
            UnreadableImageError: The file cannot be decoded.
            DataRootError: The image has other channels than the first training image.
        """
        image = read_image(sample.image, self._convert_to)
        if image.shape[2] != self.channels:
            raise DataRootError(
                f"the image {sample.image} has {image.shape[2]} channels, the first one had "
                f"{self.channels}; set data.source.channels=3 (RGB) or 1 (grayscale) to convert "
                "all of them"
            )
        return image

    def read_mask(self, sample: Sample) -> LabelMap:
        """Return class ids, uint8 (H, W), 255 where unlabelled."""
        return self._decoder.decode(read_raw_mask(sample.mask), sample.mask)

    def sample_bytes(self, sample: Sample) -> tuple[bytes, ...]:
        """Return the bytes of the image's and the mask's file."""
        return Path(sample.image).read_bytes(), Path(sample.mask).read_bytes()

    def _find_decoder(self, classes: str | Sequence[str] | None, masks: list[str]) -> MaskDecoder:
        if classes is None:
            usual = self.root / CLASSES_FILE
            if not usual.is_file():
                return infer_decoder(masks)
            return decoder_from_class_file(read_class_file(usual), masks)
        if isinstance(classes, str):
            return decoder_from_class_file(
                read_class_file(_resolve_path(classes, self.root)), masks
            )
        try:
            names = check_class_names(classes)
        except ValueError as error:
            raise ConfigError(
                f"data.source.classes: {error}, as in 'data.source.classes=[background,\"no\"]'"
            ) from error
        return decoder_from_class_file(ClassList(names), masks)

    def _has_split(self, split: str) -> bool:
        if self._table is not None:
            return split in self._table
        return find_split_folders(self.root, split) is not None

    def _stored_samples(self, split: str) -> list[Sample]:
        if not self._has_split(split):
            raise self._missing_split_error(split)
        if self._table is not None:
            return self._table[split]
        folders = find_split_folders(self.root, split)
        assert folders is not None  # _has(split) said so
        image_suffix, mask_suffix = self._suffixes
        return pair_folders(*folders, image_suffix=image_suffix, mask_suffix=mask_suffix)

    def _missing_split_error(self, split: str) -> DataRootError:
        there = [name for name in SPLITS if self._has_split(name)]
        if not there:
            return DataRootError(
                f"no images with masks in {self.root}, which holds: {_list_contents(self.root)}; "
                f"the layouts are: {describe_layouts()}; or give data.source.csv=PATH"
            )
        advice = (
            "set data.source.val_fraction=0.2 to take a fifth of train for it, or add it"
            if split == "val"
            else f"add it as {describe_layouts(split)}"
        )
        return DataRootError(
            f"no split {split!r} in {self.root}, which has: {', '.join(there)}; {advice}"
        )


def _resolve_path(path: str, root: Path) -> Path:
    given = Path(path).expanduser()
    return given if given.exists() or given.is_absolute() else root / given


def _list_contents(root: Path) -> str:
    names = sorted(path.name for path in root.iterdir() if not path.name.startswith("."))
    return ", ".join(names[:8]) + (" ..." if len(names) > 8 else "") if names else "nothing"


def _split_by_hash(samples: list[Sample], fraction: float) -> tuple[list[Sample], list[Sample]]:
    """Divide samples into train and val; those with the smallest hashes of their ids are val."""
    if len(samples) < 2:
        raise DataRootError("data.source.val_fraction needs at least two training images")
    ranked = sorted(samples, key=lambda sample: hashlib.sha256(sample.id.encode()).digest())
    count = min(max(round(len(samples) * fraction), 1), len(samples) - 1)
    chosen = {sample.id for sample in ranked[:count]}
    train = [sample for sample in samples if sample.id not in chosen]
    return train, [sample for sample in samples if sample.id in chosen]
