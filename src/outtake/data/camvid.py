"""CamVid, the Cambridge-driving Labeled Video Database, in its 11-class form."""

from __future__ import annotations

from pathlib import Path

from outtake.core.errors import DataRootError
from outtake.core.labels import LabelSpace
from outtake.core.types import Frame, LabelMap
from outtake.data.folder_layouts import check_root
from outtake.data.image_files import read_image, read_raw_mask
from outtake.data.mask_encoding import MaskDecoder
from outtake.data.pair_files import pair_folders
from outtake.data.source import SPLITS, Sample, check_split

CLASSES = {
    "sky": (128, 128, 128),
    "building": (128, 0, 0),
    "pole": (192, 192, 128),
    "road": (128, 64, 128),
    "pavement": (60, 40, 222),
    "tree": (128, 128, 0),
    "signsymbol": (192, 128, 128),
    "fence": (64, 64, 128),
    "car": (64, 0, 128),
    "pedestrian": (64, 64, 0),
    "bicyclist": (0, 128, 192),
}
UNLABELLED = 11


class CamVid:
    """CamVid with the classes and splits of SegNet (Badrinarayanan et al., 2017).

    Layout: ``root/{train,val,test}/NAME.(png|jpg)`` with ``root/{split}annot/NAME.png``, whose
    values are class ids and 11 where unlabelled. ``test`` may be absent.

    Raises:
        DataRootError: ``root`` is not a folder.
    """

    def __init__(self, root: str) -> None:
        self.name = "camvid"
        self.root = check_root(root)
        self.labels = LabelSpace(tuple(CLASSES), tuple(CLASSES.values()))
        self.channels = 3
        ids = {number: number for number in range(len(CLASSES))}
        self._decoder = MaskDecoder(self.labels, ids={**ids, UNLABELLED: self.labels.ignore_index})

    def samples(self, split: str) -> list[Sample]:
        """Return the frames of a split, in the order of their names."""
        check_split(split)
        images, masks = self.root / split, self.root / f"{split}annot"
        for folder in (images, masks):
            if not folder.is_dir():
                there = [name for name in SPLITS if (self.root / name).is_dir()]
                raise DataRootError(
                    f"CamVid's split {split!r} needs the folder {folder}, which is missing; "
                    f"the splits in {self.root} are: {', '.join(there) or 'none'}"
                )
        return pair_folders(images, masks)

    def read_image(self, sample: Sample) -> Frame:
        """Return uint8 (H, W, 3) RGB."""
        return read_image(sample.image, channels=3)

    def read_mask(self, sample: Sample) -> LabelMap:
        """Return class ids, uint8 (H, W), 255 where unlabelled."""
        return self._decoder.decode(read_raw_mask(sample.mask), sample.mask)

    def sample_bytes(self, sample: Sample) -> tuple[bytes, ...]:
        """Return the bytes of the image's and the mask's file."""
        return Path(sample.image).read_bytes(), Path(sample.mask).read_bytes()
