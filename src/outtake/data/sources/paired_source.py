"""What data sets of image and mask files have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path

from outtake.core.errors import MissingSplitError
from outtake.core.labels import Colour, LabelSpace
from outtake.core.types import Frame, LabelMap
from outtake.core.validate import check_number
from outtake.data.folder_layouts import SplitFolders, check_root
from outtake.data.image_files import read_image_of_8_bits, read_stored_mask
from outtake.data.mask_encoding import MaskDecoder
from outtake.data.pair_files import FilePairs, complete_pairs, match_files
from outtake.data.source import Sample, check_split, cut_val


def decode_ids(
    names: Sequence[str],
    ids: Sequence[int],
    *,
    ignored: Sequence[int] = (255,),
    colours: Sequence[Colour] | None = None,
) -> MaskDecoder:
    """Return the decoder of masks that hold numbers.

    Args:
        names: The class names.
        ids: The number that stands for each class.
        ignored: The numbers that are unlabelled.
        colours: The colours of the classes; None takes distinct ones.
    """
    labels = LabelSpace.from_names(names, colours)
    stored = dict.fromkeys(ignored, labels.ignore_index)
    stored |= {number: label for label, number in enumerate(ids)}
    return MaskDecoder(labels, stored)


def parse_palette(text: str) -> list[Colour]:
    """Return RGB colours of words such as ``ff8000``."""
    return [(int(w[:2], 16), int(w[2:4], 16), int(w[4:], 16)) for w in text.split()]


class PairedSource(ABC):
    """A data set whose images and masks are files of the same name in two folders.

    A subclass says where they are, and what the values of masks mean.

    Args:
        name: The name of the data set.
        root: Its folder.
        decoder: The classes, and how masks hold them.
        image_suffix: The ending of image names, which ids do not have.
        mask_suffix: The ending of mask names.
        lossy_masks: Whether masks may be JPEG.
        val_fraction: The part of ``train`` that is ``val`` where the data set has no split of that
            name; None where it has.

    Raises:
        DataRootError: ``root`` is not a folder.
    """

    channels = 3

    def __init__(
        self,
        name: str,
        root: str | Path,
        decoder: MaskDecoder,
        *,
        image_suffix: str = "",
        mask_suffix: str = "",
        lossy_masks: bool = False,
        val_fraction: float | None = None,
    ) -> None:
        check_number("data.source.val_fraction", val_fraction, 0.001, 0.999, optional=True)
        self.name = name
        self.root = check_root(root)
        self.labels = decoder.labels
        self.lossy_masks = lossy_masks
        self._decoder = decoder
        self._suffixes = (image_suffix, mask_suffix)
        self._val_fraction = val_fraction

    @abstractmethod
    def find_folders(self, split: str) -> SplitFolders | None:
        """Return where the files of a split are; None if the data set has no such split."""

    def samples(self, split: str) -> list[Sample]:
        """Return the samples of a split, in the order of their ids."""
        check_split(split)
        if self._val_fraction is None or split == "test":
            return self._stored_samples(split)
        return cut_val(self._stored_samples("train"), self._val_fraction, self.name)[split == "val"]

    def read_image(self, sample: Sample) -> Frame:
        """Return uint8 (H, W, 3) RGB."""
        return read_image_of_8_bits(sample.image, channels=3)

    def read_mask(self, sample: Sample) -> LabelMap:
        """Return class ids, uint8 (H, W), 255 where unlabelled."""
        return self._decoder.decode(read_stored_mask(sample.mask), sample.mask)

    def sample_bytes(self, sample: Sample) -> tuple[bytes, ...]:
        """Return the bytes of the image's and the mask's file."""
        return Path(sample.image).read_bytes(), Path(sample.mask).read_bytes()

    def match_split(self, split: str) -> FilePairs | None:
        """Return which files of a split belong together; None where it is part of ``train``."""
        folders = self.find_folders(split)
        if folders is None:
            return None
        self.check_folders(folders, split)
        return match_files(folders.images, folders.masks, *self._suffixes, folders.names())

    def check_folders(self, folders: SplitFolders, split: str) -> None:
        """Raise a MissingSplitError unless both folders are there."""
        for folder in (folders.images, folders.masks):
            if not folder.is_dir():
                raise MissingSplitError(
                    f"{self.name}'s split {split!r} needs the folder {folder}, which is missing",
                    "docs/data.md shows the layout; set data.root=PATH to its folder",
                )

    def _stored_samples(self, split: str) -> list[Sample]:
        pairs = self.match_split(split)
        if pairs is None:
            raise MissingSplitError(
                f"{self.name} has no split {split!r} with masks", "score another"
            )
        return complete_pairs(pairs, None, lossy_masks=self.lossy_masks)


class FoldersSource(PairedSource):
    """A data set with two folders for each split.

    Args:
        name: The name of the data set.
        root: Its folder.
        decoder: The classes, and how masks hold them.
        folders: The folders of images and masks below ``root``, by split.
        image_suffix: The ending of image names.
        mask_suffix: The ending of mask names.
        lossy_masks: Whether masks may be JPEG.
        val_fraction: The part of ``train`` that is ``val``.
    """

    def __init__(
        self,
        name: str,
        root: str | Path,
        decoder: MaskDecoder,
        folders: Mapping[str, tuple[str, str]],
        *,
        image_suffix: str = "",
        mask_suffix: str = "",
        lossy_masks: bool = False,
        val_fraction: float | None = None,
    ) -> None:
        super().__init__(
            name, root, decoder, image_suffix=image_suffix, mask_suffix=mask_suffix,
            lossy_masks=lossy_masks, val_fraction=val_fraction,
        )  # fmt: skip
        self._folders = folders

    def find_folders(self, split: str) -> SplitFolders | None:
        """Return where the files of a split are."""
        names = self._folders.get(split)
        return None if names is None else SplitFolders(*(self.root / name for name in names))
