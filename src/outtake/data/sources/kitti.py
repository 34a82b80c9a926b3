"""KITTI: semantics in the 19 classes of Cityscapes (2018), and the road benchmark (2013)."""

from __future__ import annotations

import re

from outtake.core.labels import LabelSpace
from outtake.data.mask_encoding import MaskDecoder, rgb_to_int
from outtake.data.pair_files import FilePairs, match_files
from outtake.data.sources.cityscapes import cityscapes_decoder
from outtake.data.sources.paired_source import FoldersSource

ROAD, NOT_ROAD, VOID = (255, 0, 255), (255, 0, 0), (0, 0, 0)
_ROAD_MASK = re.compile(r"(umm?|uu)_road_(\d+)$")


class KittiSemantics(FoldersSource):
    """KITTI's pixel-level semantic segmentation.

    Layout: ``root/training/image_2/NAME.png`` with ``root/training/semantic/NAME.png``, which hold
    the ids of Cityscapes. There is no ``val``: a part of the training images is chosen by a hash.

    Raises:
        DataRootError: ``root`` is not a folder.
    """

    def __init__(self, root: str, val_fraction: float = 0.2) -> None:
        super().__init__(
            "kitti",
            root,
            cityscapes_decoder(),
            {"train": ("training/image_2", "training/semantic")},
            val_fraction=val_fraction,
        )


class KittiRoad(FoldersSource):
    """KITTI's road benchmark: road, and what is not.

    Layout: ``root/training/image_2/um_000000.png`` with
    ``root/training/gt_image_2/um_road_000000.png`` in colours; masks of lanes are left out. There
    is no ``val``: a part of the training images is chosen by a hash.

    Raises:
        DataRootError: ``root`` is not a folder.
    """

    def __init__(self, root: str, val_fraction: float = 0.2) -> None:
        labels = LabelSpace(("background", "road"), (NOT_ROAD, ROAD))
        colours = {rgb_to_int(NOT_ROAD): 0, rgb_to_int(ROAD): 1}
        colours[rgb_to_int(VOID)] = labels.ignore_index
        super().__init__(
            "kitti_road",
            root,
            MaskDecoder(labels, {}, colours),
            {"train": ("training/image_2", "training/gt_image_2")},
            val_fraction=val_fraction,
        )

    def match_split(self, split: str) -> FilePairs | None:
        """Return which images and masks of roads belong together."""
        folders = self.find_folders(split)
        if folders is None:
            return None
        self.check_folders(folders, split)
        pairs = match_files(folders.images, folders.masks, "", "")
        masks = {
            f"{found[1]}_{found[2]}": path
            for name, path in pairs.masks.pictures.items()
            if (found := _ROAD_MASK.match(name))
        }
        images = pairs.images.pictures
        return FilePairs(
            pairs.images,
            pairs.masks,
            {name: (images[name], masks[name]) for name in images if name in masks},
            {name: path for name, path in images.items() if name not in masks},
            {name: path for name, path in masks.items() if name not in images},
            ("", ""),
        )
