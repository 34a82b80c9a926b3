"""CamVid (Brostow et al., 2009) in the 32 classes that it was labelled in."""

from __future__ import annotations

from outtake.core.labels import LabelSpace
from outtake.data.mask_encoding import MaskDecoder, rgb_to_int
from outtake.data.sources.paired_source import FoldersSource, parse_palette

NAMES = (
    "animal", "archway", "bicyclist", "bridge", "building", "car", "cart_luggage_pram", "child",
    "column_pole", "fence", "lane_markings_driving", "lane_markings_not_driving", "misc_text",
    "motorcycle_scooter", "other_moving", "parking_block", "pedestrian", "road", "road_shoulder",
    "sidewalk", "sign_symbol", "sky", "suv_pickup_truck", "traffic_cone", "traffic_light",
    "train", "tree", "truck_bus", "tunnel", "vegetation_misc", "wall",
)  # fmt: skip
PALETTE = """
408040 c00080 0080c0 008040 800000 400080 4000c0 c08040 c0c080 404080 8000c0 c00040 808040 c000c0
804040 40c080 404000 804080 8080c0 0000c0 c08080 808080 4080c0 000040 004040 c04080 808000 c080c0
400040 c0c000 40c000
"""
VOID = (0, 0, 0)


class CamVidColours(FoldersSource):
    """CamVid's 31 classes in colours; the 32nd, ``void``, is unlabelled.

    Layout: ``root/{train,val,test}/NAME.png`` with ``root/{train,val,test}_labels/NAME_L.png``.
    The 11 classes of SegNet are :class:`outtake.data.camvid.CamVid`.

    Raises:
        DataRootError: ``root`` is not a folder.
    """

    def __init__(self, root: str) -> None:
        labels = LabelSpace.from_names(NAMES, parse_palette(PALETTE))
        colours = {rgb_to_int(colour): label for label, colour in enumerate(labels.colours)}
        colours[rgb_to_int(VOID)] = labels.ignore_index
        super().__init__(
            "camvid32",
            root,
            MaskDecoder(labels, {}, colours),
            {split: (split, f"{split}_labels") for split in ("train", "val", "test")},
            mask_suffix="_L",
        )
