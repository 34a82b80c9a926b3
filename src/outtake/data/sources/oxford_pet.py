"""The Oxford-IIIT Pet dataset (Parkhi et al., 2012): pet and background."""

from __future__ import annotations

from outtake.data.folder_layouts import SplitFolders
from outtake.data.sources.paired_source import PairedSource, decode_ids

PET, BACKGROUND, BORDER = 1, 2, 3


class OxfordPet(PairedSource):
    """Cats and dogs with trimaps.

    Layout: ``root/images/NAME.jpg``, ``root/annotations/trimaps/NAME.png`` and
    ``root/annotations/{trainval,test}.txt``. A part of ``trainval`` is ``val``.

    Args:
        root: The folder.
        border: Whether the border of a pet is a class of its own; otherwise it is unlabelled.
        val_fraction: The part of ``trainval`` that becomes ``val``, chosen by a hash.

    Raises:
        DataRootError: ``root`` is not a folder.
    """

    def __init__(self, root: str, border: bool = False, val_fraction: float = 0.2) -> None:
        names = ("background", "pet", "border") if border else ("background", "pet")
        ids = (BACKGROUND, PET, BORDER)[: len(names)]
        decoder = decode_ids(names, ids, ignored=(255,) if border else (BORDER, 255))
        super().__init__("oxford_pet", root, decoder, val_fraction=val_fraction)

    def find_folders(self, split: str) -> SplitFolders | None:
        """Return where the files of a split are."""
        annotations = self.root / "annotations"
        listed = annotations / ("test.txt" if split == "test" else "trainval.txt")
        if split == "val":
            return None
        return SplitFolders(self.root / "images", annotations / "trimaps", listed)
