"""Cityscapes (Cordts et al., 2016): 19 classes of street scenes; KITTI has the same ids."""

from __future__ import annotations

from outtake.data.mask_encoding import MaskDecoder
from outtake.data.sources.paired_source import FoldersSource, decode_ids, parse_palette

NAMES = (
    "road", "sidewalk", "building", "wall", "fence", "pole", "traffic light", "traffic sign",
    "vegetation", "terrain", "sky", "person", "rider", "car", "truck", "bus", "train",
    "motorcycle", "bicycle",
)  # fmt: skip
# labelIds of labels.py of cityscapesScripts; the others, and -1 (licence plate), are not scored.
IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
PALETTE = """
804080 f423e8 464646 66669c be9999 999999 faaa1e dcdc00 6b8e23 98fb98 4682b4 dc143c ff0000 00008e
000046 003c64 005064 0000e6 770b20
"""


def cityscapes_decoder() -> MaskDecoder:
    """Return the decoder of ``labelIds``."""
    ignored = [number for number in (*range(34), 255) if number not in IDS]
    return decode_ids(NAMES, IDS, ignored=ignored, colours=parse_palette(PALETTE))


class Cityscapes(FoldersSource):
    """Cityscapes with its fine annotations.

    Layout: ``root/leftImg8bit/{train,val,test}/CITY/NAME_leftImg8bit.png`` with
    ``root/gtFine/{train,val,test}/CITY/NAME_gtFine_labelIds.png``. The masks of ``test`` are blank
    in the public files.

    Raises:
        DataRootError: ``root`` is not a folder.
    """

    def __init__(self, root: str) -> None:
        splits = ("train", "val", "test")
        super().__init__(
            "cityscapes",
            root,
            cityscapes_decoder(),
            {split: (f"leftImg8bit/{split}", f"gtFine/{split}") for split in splits},
            image_suffix="_leftImg8bit",
            mask_suffix="_gtFine_labelIds",
        )
