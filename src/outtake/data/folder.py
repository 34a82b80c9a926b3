"""Your own images and masks: in folders of many layouts, in two folders of any name, or a csv."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from outtake.core.errors import (
    ConfigError,
    DataRootError,
    EmptySplitError,
    LabelValueError,
    MissingSplitError,
    UnreadableImageError,
)
from outtake.core.labels import LabelSpace
from outtake.core.override_text import quote_for_shell, quote_text
from outtake.core.types import Frame, LabelMap
from outtake.core.validate import check_number
from outtake.data.class_file import (
    ClassList,
    check_class_names,
    decoder_from_class_file,
    read_class_file,
)
from outtake.data.csv_table import read_csv
from outtake.data.decode_files import decode_file
from outtake.data.find_sample_range import find_range
from outtake.data.folder_layouts import (
    SplitFolders,
    describe_layouts,
    find_named_folders,
    find_root,
    find_split_folders,
    list_contents,
    resolve_path,
)
from outtake.data.image_files import read_image, read_raw_mask, read_stored_mask
from outtake.data.infer_classes import BINARY_NAMES, decoder_for_trained, infer_decoder
from outtake.data.mask_encoding import MaskDecoder
from outtake.data.pair_files import (
    MISSING_MASKS,
    FilePairs,
    MissingMasks,
    complete_pairs,
    match_files,
)
from outtake.data.sample_range import SampleRange, read_range_option
from outtake.data.soft_edges import SOFT_EDGES, SoftEdges
from outtake.data.source import SPLITS, Sample, check_split, cut_val, warn_of_data

CLASSES_FILE = "classes.yaml"


class Folder:
    """Images with masks in folders or listed in a csv; ``docs/data.md`` shows the layouts.

    Args:
        root: The folder of the data set; None where ``images`` and ``masks`` are given.
        images: The folder of images, which may have a subfolder for each split; None looks for it.
        masks: The folder of masks, likewise.
        classes: A yaml with ``names`` and optionally ``colours`` and ``ignore``, or the names
            themselves. None reads ``classes.yaml`` in ``root``, and without it finds the
            classes in the training masks.
        csv: A table with the columns ``split, image, mask``; its paths are relative to it, and so
            is ``root`` where nothing names a folder.
        val_fraction: The part (0 to 1) of ``train`` that becomes ``val`` where there is no ``val``,
            chosen by a hash of the ids; None asks for one.
        image_suffix: The ending of image names, which mask names do not have; None finds it.
        mask_suffix: The ending of mask names, which image names do not have, such as ``_mask``;
            None finds it.
        missing_masks: What becomes of an image without a mask: ``error``; ``skip``; all of it is
            ``background`` (the class of that name, or the first); all of it is ``unlabelled``.
        soft_edges: What becomes of masks that were resized or smoothed: ``error``; the class
            ``nearest`` to each pixel of a rim; rims are ``unlabelled``; ``keep`` every value.
        threshold: Where given, mask values of at least this are the second class, others the
            first; any format may then be a mask.
        range: ``auto``, or the sample values that become black and white.
        channels: 1 or 3 converts every image; None takes what the first image has.
        trained_labels: The classes of the network that is scored on the data, as
            :meth:`outtake.core.labels.LabelSpace.to_dict` gives them: what no file names is one of
            these, and a ``train`` is not needed.
        trained_range: The range of samples that it was trained with, as
            :meth:`outtake.data.sample_range.SampleRange.to_dict` gives it; ``auto`` keeps it.
        strict: False leaves what is wrong with single files to whoever reads them: files without
            a partner are left out, and ``class_error`` says why classes cannot be found.

    Raises:
        DataRootError: There is no such folder, it has no known layout, or the csv is not as above.
        ConfigError: A classes file or an option is wrong.
        PairingError, EmptySplitError, UnreadableImageError, LabelValueError: The training split,
            which is read to find channels and classes, is wrong.
    """

    def __init__(
        self,
        root: str | None = None,
        images: str | None = None,
        masks: str | None = None,
        classes: str | Sequence[str] | None = None,
        csv: str | None = None,
        val_fraction: float | None = None,
        image_suffix: str | None = None,
        mask_suffix: str | None = None,
        missing_masks: MissingMasks = "error",
        soft_edges: SoftEdges = "error",
        threshold: int | None = None,
        range: str | Sequence[float] = "auto",
        channels: int | None = None,
        trained_labels: Mapping[str, Any] | None = None,
        trained_range: Mapping[str, Any] | None = None,
        strict: bool = True,
    ) -> None:
        _check_options(val_fraction, channels, missing_masks, soft_edges, threshold)
        given_range = read_range_option(range)
        if csv is not None and root is images is masks is None:
            table = Path(csv).expanduser()
            root = str(table.parent if table.is_file() else Path())
        self.root, self._named_folders = find_root(root, images, masks)
        self.name = self.root.resolve().name or "folder"
        self._suffixes = (image_suffix, mask_suffix)
        self._val_fraction = val_fraction
        self.missing_masks = missing_masks
        self._strict = strict
        self.class_error: LabelValueError | None = None
        self.lossy_masks = threshold is not None or soft_edges in ("nearest", "unlabelled")
        self._table = (
            None
            if csv is None
            else read_csv(resolve_path(csv, self.root), missing_masks, lossy_masks=self.lossy_masks)
        )
        self._convert_to = channels
        first_samples = self._stored_samples(self._first_split(trained_labels is not None))
        if not strict:
            first_samples = [each for each in first_samples if _can_be_read(each)]
            if not first_samples:
                raise EmptySplitError(f"no image with a mask of {self.root} can be read")
        self.sample_range = find_range(
            [sample.image for sample in first_samples],
            given_range,
            None if trained_range is None else SampleRange.from_dict(trained_range),
        )
        self.channels: int = self._read_as_stored(first_samples[0]).shape[2]
        drawn = [sample.mask for sample in first_samples if sample.mask]
        known = None if trained_labels is None else LabelSpace.from_dict(trained_labels)
        try:
            decoder = self._find_decoder(classes, drawn, soft_edges, threshold, known)
        except LabelValueError as error:
            if strict:
                raise
            self.class_error = error
            decoder = MaskDecoder(LabelSpace.from_names(("?", "??")), {}, soft_edges="unlabelled")
        self._decoder = replace(decoder, threshold=threshold)
        self.labels = decoder.labels
        if missing_masks == "background":
            self._say_what_is_background()

    def samples(self, split: str) -> list[Sample]:
        """Return the samples of a split, in the order of their ids."""
        check_split(split)
        cut = split != "test" and self._val_fraction is not None and self._has_split("train")
        if not cut or self._has_split("val"):
            return self._stored_samples(split)
        assert self._val_fraction is not None
        train = self._stored_samples("train")
        return cut_val(train, self._val_fraction, self.name)[split == "val"]

    def read_image(self, sample: Sample) -> Frame:
        """Return uint8 (H, W, channels).

        Raises:
            UnreadableImageError: The file cannot be decoded.
            DataRootError: The image has other channels than the first training image.
        """
        image = self._read_as_stored(sample)
        if image.shape[2] != self.channels:
            raise DataRootError(
                f"the image {sample.image} has {image.shape[2]} channels, the first one had "
                f"{self.channels}; set data.source.channels=3 (RGB) or 1 (grayscale) to convert "
                "all of them"
            )
        return image

    def read_mask(self, sample: Sample) -> LabelMap:
        """Return class ids, uint8 (H, W), 255 where unlabelled."""
        if sample.mask:
            return self._decoder.decode(read_stored_mask(sample.mask), sample.mask)
        size = self._read_as_stored(sample).shape[:2]
        return np.full(size, self._label_without_mask(), np.uint8)

    def sample_bytes(self, sample: Sample) -> tuple[bytes, ...]:
        """Return the bytes of the image's and the mask's file."""
        image = Path(sample.image).read_bytes()
        if not sample.mask:
            return image, f"no mask: {self.missing_masks}".encode()
        return image, Path(sample.mask).read_bytes()

    def _first_split(self, any_will_do: bool) -> str:
        there = (split for split in SPLITS if self._has_split(split))
        return next(there, "train") if any_will_do else "train"

    def match_split(self, split: str) -> FilePairs | None:
        """Return which files of a split belong together, without judging what has no partner.

        None where the split does not exist, is part of ``train``, or comes out of a table.
        """
        folders = None if self._table is not None else self._find_folders(split)
        if folders is None:
            return None
        return match_files(folders.images, folders.masks, *self._suffixes, folders.names())

    def _read_as_stored(self, sample: Sample) -> Frame:
        return read_image(sample.image, self._convert_to, self.sample_range)

    def _label_without_mask(self) -> int:
        if self.missing_masks == "unlabelled":
            return self.labels.ignore_index
        names = [name.casefold() for name in self.labels.names]
        return names.index("background") if "background" in names else 0

    def _say_what_is_background(self) -> None:
        if "background" not in map(str.casefold, self.labels.names):
            warn_of_data(
                f"data.source.missing_masks=background: no class is named so; images without a "
                f"mask become the first one, {self.labels.names[0]!r}"
            )

    def _find_decoder(
        self,
        classes: str | Sequence[str] | None,
        masks: list[str],
        soft_edges: SoftEdges,
        threshold: int | None,
        trained_labels: LabelSpace | None,
    ) -> MaskDecoder:
        usual = self.root / CLASSES_FILE
        if classes is None and usual.is_file():
            classes = str(usual)
        if classes is None:
            if threshold is not None:
                return MaskDecoder(LabelSpace.from_names(BINARY_NAMES), {})
            if trained_labels is not None:
                return decoder_for_trained(trained_labels, masks, soft_edges)
            return infer_decoder(masks, soft_edges, skip_outliers=not self._strict)
        if isinstance(classes, str):
            listed = read_class_file(resolve_path(classes, self.root))
            return self._decode_by_list(listed, masks, soft_edges, threshold)
        try:
            names = check_class_names(classes)
        except ValueError as error:
            raise ConfigError(
                f"data.source.classes: {error}: {_quote_class_names(classes)}"
            ) from error
        return self._decode_by_list(ClassList(names), masks, soft_edges, threshold)

    @staticmethod
    def _decode_by_list(
        classes: ClassList, masks: list[str], soft_edges: SoftEdges, threshold: int | None
    ) -> MaskDecoder:
        if threshold is not None and len(classes.names) != 2:
            raise ConfigError(
                f"data.source.threshold={threshold} makes two classes, and there are "
                f"{len(classes.names)} names; set threshold=null, or name two"
            )
        return decoder_from_class_file(classes, [] if threshold else masks, soft_edges)

    def _find_folders(self, split: str) -> SplitFolders | None:
        if self._named_folders is not None:
            return find_named_folders(*self._named_folders, split)
        return find_split_folders(self.root, split)

    def _has_split(self, split: str) -> bool:
        return split in self._table if self._table is not None else bool(self._find_folders(split))

    def _stored_samples(self, split: str) -> list[Sample]:
        if not self._has_split(split):
            raise self._missing_split_error(split)
        if self._table is not None:
            return self._table[split]
        pairs = self.match_split(split)
        assert pairs is not None  # _has_split said so
        if not self._strict:
            made = pairs.unmasked if self.missing_masks in ("background", "unlabelled") else {}
            found = [Sample(name, str(image), "") for name, image in made.items()]
            found += [Sample(name, str(i), str(m)) for name, (i, m) in pairs.matched.items()]
            return sorted(found, key=lambda sample: sample.id)
        return complete_pairs(pairs, self.missing_masks, lossy_masks=self.lossy_masks)

    def _missing_split_error(self, split: str) -> DataRootError:
        there = [name for name in SPLITS if self._has_split(name)]
        if not there:
            return DataRootError(
                f"no images with masks in {self.root}, which holds: {list_contents(self.root)}; "
                f"the layouts are: {describe_layouts()}; or name any two folders with "
                "data.source.images=PATH data.source.masks=PATH, or give data.source.csv=PATH"
            )
        if split == "val" and "train" in there:
            advice = "set data.source.val_fraction=0.2 to take a fifth of train for it, or add it"
        elif split == "val":
            advice = f"score another, as split={there[0]}, or add it as {describe_layouts(split)}"
        else:
            advice = f"add it as {describe_layouts(split)}"
        return MissingSplitError(
            f"no split {split!r} in {self.root}, which has: {', '.join(there)}", advice
        )


def _can_be_read(sample: Sample) -> bool:
    try:
        decode_file(Path(sample.image), palette_indices=False)
        read_raw_mask(sample.mask)
    except UnreadableImageError:
        return False
    return True


def _check_options(
    val_fraction: float | None,
    channels: int | None,
    missing_masks: str,
    soft_edges: str,
    threshold: int | None,
) -> None:
    if val_fraction is not None and not 0 < val_fraction < 1:
        raise ConfigError(
            f"data.source.val_fraction is {val_fraction}: give more than 0 and less than 1"
        )
    if channels not in (None, 1, 3):
        raise ConfigError(
            f"data.source.channels is {channels}: give 1 (grayscale), 3 (RGB) or null"
        )
    _check_choice("missing_masks", missing_masks, MISSING_MASKS)
    _check_choice("soft_edges", soft_edges, SOFT_EDGES)
    check_number("data.source.threshold", threshold, 1, whole=True, optional=True)


def _check_choice(key: str, value: object, allowed: Sequence[str]) -> None:
    if value not in allowed:
        raise ConfigError(f"data.source.{key}={value}: must be {', '.join(allowed)}")


def _quote_class_names(names: Sequence[Any]) -> str:
    words = [
        quote_text(name) if isinstance(name, str) else f'"{json.dumps(name, default=str)}"'
        for name in names
    ]
    return quote_for_shell(f"data.source.classes=[{','.join(words)}]")
