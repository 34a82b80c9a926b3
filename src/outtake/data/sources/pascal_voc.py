"""PASCAL VOC (Everingham et al., 2010) with SBD (Hariharan et al., 2011); PASCAL Context (2014)."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np

from outtake.core.errors import ConfigError, PairingError
from outtake.core.labels import Colour, distinct_colours
from outtake.core.printable_text import list_some
from outtake.core.types import LabelMap
from outtake.data.folder_layouts import SplitFolders, check_root
from outtake.data.matlab_file import read_matlab
from outtake.data.name_lists import read_name_list
from outtake.data.source import Sample
from outtake.data.sources.paired_source import PairedSource, decode_ids

NAMES = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair",
    "cow", "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa",
    "train", "tvmonitor",
)  # fmt: skip
CONTEXT_NAMES = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair",
    "cow", "table", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train",
    "tvmonitor", "bag", "bed", "bench", "book", "building", "cabinet", "ceiling", "cloth",
    "computer", "cup", "door", "fence", "floor", "flower", "food", "grass", "ground", "keyboard",
    "light", "mountain", "mouse", "curtain", "platform", "sign", "plate", "road", "rock",
    "shelves", "sidewalk", "sky", "snow", "bedclothes", "track", "tree", "truck", "wall", "water",
    "window", "wood",
)  # fmt: skip
SbdRule = Literal["seg11valid", "trainaug"]


def voc_colours(count: int) -> list[Colour]:
    """Return the first colours of VOC's map, black for the background."""
    return [(0, 0, 0), *distinct_colours(count - 1)]


def find_voc_root(root: str | Path, year: str = "VOC2012") -> Path:
    """Return the folder that holds ``JPEGImages``: ``root`` or one below it."""
    top = check_root(root)
    places = (top, top / year, top / "VOCdevkit" / year)
    return next((place for place in places if (place / "JPEGImages").is_dir()), top)


class PascalVOC(PairedSource):
    """PASCAL VOC's 20 objects and background; the border of objects is unlabelled.

    Layout: ``JPEGImages/NAME.jpg``, ``SegmentationClass/NAME.png`` and
    ``ImageSets/Segmentation/{train,val}.txt`` in ``root``, ``root/VOC2012`` or
    ``root/VOCdevkit/VOC2012``. SBD: ``sbd/img/NAME.jpg``, ``sbd/cls/NAME.mat`` and
    ``sbd/{train,val}.txt``, the folder ``dataset`` of its release.

    Args:
        root: The folder.
        sbd: The folder of SBD, whose masks then are the training masks; None trains on VOC alone.
        rule: With SBD: ``seg11valid`` (Long et al., 2015) trains on SBD's ``train`` and validates
            on the images of VOC's ``val`` that are not in it; ``trainaug`` trains on both sets but
            for VOC's ``val``, on which it validates.

    Raises:
        DataRootError: ``root`` or ``sbd`` is not a folder, or a list is missing.
        ConfigError: There is no such rule.
    """

    def __init__(self, root: str, sbd: str | None = None, rule: SbdRule = "seg11valid") -> None:
        if rule not in ("seg11valid", "trainaug"):
            raise ConfigError(f"data.source.rule={rule}: must be seg11valid or trainaug")
        colours = voc_colours(len(NAMES))
        decoder = decode_ids(NAMES, range(len(NAMES)), colours=colours)
        super().__init__("pascal_voc", find_voc_root(root), decoder)
        self._sbd = None if sbd is None else check_root(sbd)
        self._rule = rule

    def find_folders(self, split: str) -> SplitFolders | None:
        """Return where the files of VOC's own splits are."""
        if split == "test":
            return None  # its masks are not public
        listed = self.root / "ImageSets" / "Segmentation" / f"{split}.txt"
        return SplitFolders(self.root / "JPEGImages", self.root / "SegmentationClass", listed)

    def read_mask(self, sample: Sample) -> LabelMap:
        """Return class ids, uint8 (H, W), 255 where unlabelled."""
        if not sample.mask.endswith(".mat"):
            return super().read_mask(sample)
        stored = read_matlab(sample.mask, "GTcls", "Segmentation")  # a file of SBD
        return self._decoder.decode(stored.astype(np.uint8), sample.mask)

    def _stored_samples(self, split: str) -> list[Sample]:
        own = super()._stored_samples(split)
        if self._sbd is None:
            return own
        listed = {name: set(read_name_list(self._sbd / f"{name}.txt")) for name in ("train", "val")}
        if split == "val":
            excluded = listed["train"] if self._rule == "seg11valid" else set()
            return [sample for sample in own if sample.id not in excluded]
        if self._rule == "seg11valid":
            return self._sbd_samples(listed["train"])
        val = {sample.id for sample in super()._stored_samples("val")}
        known = {sample.id for sample in own}
        names = (listed["train"] | listed["val"]) - val - known
        return sorted([*own, *self._sbd_samples(names)], key=lambda sample: sample.id)

    def _sbd_samples(self, names: set[str]) -> list[Sample]:
        assert self._sbd is not None
        samples = [
            Sample(
                name, str(self._sbd / "img" / f"{name}.jpg"), str(self._sbd / "cls" / f"{name}.mat")
            )
            for name in sorted(names)
        ]
        missing = [
            each.id for each in samples
            if not (Path(each.image).is_file() and Path(each.mask).is_file())
        ]  # fmt: skip
        if missing:
            raise PairingError(
                f"{len(missing)} images that SBD lists are not in {self._sbd}/img with "
                f"{self._sbd}/cls: {list_some(sorted(missing))}; "
                "data.source.sbd=PATH names its folder"
            )
        return samples


class PascalContext(PairedSource):
    """PASCAL Context in 59 classes and background.

    Layout, as MMSegmentation converts it: ``JPEGImages/NAME.jpg``,
    ``SegmentationClassContext/NAME.png`` and ``ImageSets/SegmentationContext/{train,val}.txt`` in
    ``root``, ``root/VOC2010`` or ``root/VOCdevkit/VOC2010``.

    Args:
        root: The folder.
        background: Whether the background is a class (60 classes) or unlabelled (59).

    Raises:
        DataRootError: ``root`` is not a folder.
    """

    def __init__(self, root: str, background: bool = True) -> None:
        first = 0 if background else 1
        names = CONTEXT_NAMES[first:]
        colours = voc_colours(len(CONTEXT_NAMES))[first:]
        ignored = (255,) if background else (0, 255)
        decoder = decode_ids(
            names, range(first, len(CONTEXT_NAMES)), ignored=ignored, colours=colours
        )
        super().__init__("pascal_context", find_voc_root(root, "VOC2010"), decoder)

    def find_folders(self, split: str) -> SplitFolders | None:
        """Return where the files of a split are."""
        if split == "test":
            return None
        listed = self.root / "ImageSets" / "SegmentationContext" / f"{split}.txt"
        masks = self.root / "SegmentationClassContext"
        return SplitFolders(self.root / "JPEGImages", masks, listed)
