"""CamVid, the Cambridge-driving Labeled Video Database, in its 11-class form."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from outtake.core.errors import ConfigError, EmptySplitError, MissingSplitError
from outtake.core.labels import LabelSpace
from outtake.core.types import Frame, LabelMap
from outtake.data.folder_layouts import check_root
from outtake.data.image_files import read_image_of_8_bits, read_stored_mask
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

    Args:
        root: The folder.
        drives: The recordings whose frames are used, of every split, as the names of the files
            begin: ``0006R0`` of ``0006R0_f00930.png``. None uses all. ``val`` is the same drive as
            half of ``train``: only a training without a drive, scored on it, tells how a network
            does on a street that it has not seen.

    Raises:
        DataRootError: ``root`` is not a folder.
        ConfigError: No drive is named, or one that the data set does not have.
    """

    def __init__(self, root: str, drives: Sequence[str | float] | None = None) -> None:
        self.name = "camvid"
        self.root = check_root(root)
        self._drives = None if drives is None else self._check_drives(drives)
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
                raise MissingSplitError(
                    f"CamVid's split {split!r} needs the folder {folder}, which is missing",
                    f"the splits in {self.root} are: {', '.join(there) or 'none'}",
                )
        return self._keep_drives(split, pair_folders(images, masks))

    def _check_drives(self, drives: Sequence[str | float]) -> frozenset[str]:
        known = {
            drive_of(entry.name)
            for split in SPLITS
            for entry in (self.root / f"{split}annot").glob("*.png")
        }
        named = {_as_name(drive, known) for drive in drives}
        if not named or named - known:
            unknown = ", ".join(sorted(named - known))
            raise ConfigError(
                f"data.source.drives: {f'there is no {unknown}' if unknown else 'none is named'}; "
                f"the drives in {self.root} are {', '.join(sorted(known))}, and null is all"
            )
        return frozenset(named)

    def _keep_drives(self, split: str, samples: list[Sample]) -> list[Sample]:
        if self._drives is None:
            return samples
        kept = [sample for sample in samples if drive_of(sample.image) in self._drives]
        if not kept:
            there = sorted({drive_of(sample.image) for sample in samples})
            raise EmptySplitError(
                f"data.source.drives={sorted(self._drives)}: CamVid's split {split!r} has frames "
                f"of {', '.join(there)} only; name one of them, or another split"
            )
        return kept

    def group(self, sample: Sample) -> str:
        """Return the drive that a frame is of."""
        return drive_of(sample.image)

    def read_image(self, sample: Sample) -> Frame:
        """Return uint8 (H, W, 3) RGB."""
        return read_image_of_8_bits(sample.image, channels=3)

    def read_mask(self, sample: Sample) -> LabelMap:
        """Return class ids, uint8 (H, W), 255 where unlabelled."""
        return self._decoder.decode(read_stored_mask(sample.mask), sample.mask)

    def sample_bytes(self, sample: Sample) -> tuple[bytes, ...]:
        """Return the bytes of the image's and the mask's file."""
        return Path(sample.image).read_bytes(), Path(sample.mask).read_bytes()


def drive_of(image: str) -> str:
    """Return the recording that a frame is of: the name of its file up to the first underscore."""
    return Path(image).stem.partition("_")[0]


def _as_name(drive: str | float, known: Iterable[str]) -> str:
    """Return the name that was written: an unquoted 0016E5 reaches us as the number 1600000.0."""
    if isinstance(drive, str):
        return drive
    return next((name for name in known if _as_number(name) == drive), str(drive))


def _as_number(name: str) -> float | None:
    try:
        return float(name)
    except ValueError:
        return None
