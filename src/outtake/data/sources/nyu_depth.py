"""NYU Depth V2 (Silberman et al., 2012): 40 classes of rooms (Gupta et al., 2013)."""

from __future__ import annotations

from outtake.data.sources.paired_source import FoldersSource, decode_ids

NAMES = (
    "wall", "floor", "cabinet", "bed", "chair", "sofa", "table", "door", "window", "bookshelf",
    "picture", "counter", "blinds", "desk", "shelves", "curtain", "dresser", "pillow", "mirror",
    "floor mat", "clothes", "ceiling", "books", "refrigerator", "television", "paper", "towel",
    "shower curtain", "box", "whiteboard", "person", "night stand", "toilet", "sink", "lamp",
    "bathtub", "bag", "other structure", "other furniture", "other prop",
)  # fmt: skip


class NyuDepth(FoldersSource):
    """The colour images of NYU Depth V2 with labels in 40 classes; 0 is unlabelled.

    The release is one file of MATLAB; layout, as it is usually unpacked:
    ``root/{train,test}/rgb/NUMBER.png`` with ``root/{train,test}/labels_40/NUMBER.png``. There is
    no ``val``: a part of the training images is chosen by a hash.

    Raises:
        DataRootError: ``root`` is not a folder.
    """

    def __init__(self, root: str, val_fraction: float = 0.1) -> None:
        super().__init__(
            "nyu_depth",
            root,
            decode_ids(NAMES, range(1, 41), ignored=(0, 255)),
            {split: (f"{split}/rgb", f"{split}/labels_40") for split in ("train", "test")},
            val_fraction=val_fraction,
        )
