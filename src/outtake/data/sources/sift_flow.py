"""SIFT Flow (Liu et al., 2009): 33 classes of outdoor scenes."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from outtake.core.errors import MissingSplitError, PairingError
from outtake.core.printable_text import list_some
from outtake.core.types import LabelMap
from outtake.data.folder_layouts import SplitFolders
from outtake.data.list_pictures import list_pictures
from outtake.data.matlab_file import read_matlab
from outtake.data.name_lists import read_name_list
from outtake.data.source import Sample
from outtake.data.sources.paired_source import PairedSource, decode_ids

NAMES = (
    "awning", "balcony", "bird", "boat", "bridge", "building", "bus", "car", "cow", "crosswalk",
    "desert", "door", "fence", "field", "grass", "moon", "mountain", "person", "plant", "pole",
    "river", "road", "rock", "sand", "sea", "sidewalk", "sign", "sky", "staircase", "streetlight",
    "sun", "tree", "window",
)  # fmt: skip
COLLECTION = "spatial_envelope_256x256_static_8outdoorcategories"


class SiftFlow(PairedSource):
    """SIFT Flow's semantic labels; 0 is unlabelled.

    Layout: ``root/Images/spatial_envelope_.../NAME.jpg``, ``root/SemanticLabels/.../NAME.mat`` and
    ``root/TestSet1.txt``, whose 200 images are ``test``. A part of the others is ``val``.

    Raises:
        DataRootError: ``root`` is not a folder.
    """

    def __init__(self, root: str, val_fraction: float = 0.1) -> None:
        decoder = decode_ids(NAMES, range(1, 34), ignored=(0, 255))
        super().__init__("sift_flow", root, decoder, val_fraction=val_fraction)

    def find_folders(self, split: str) -> SplitFolders | None:
        """Return None: masks are no pictures."""
        return None

    def read_mask(self, sample: Sample) -> LabelMap:
        """Return class ids, uint8 (H, W), 255 where unlabelled."""
        stored = read_matlab(sample.mask, "S")
        return self._decoder.decode(stored.astype(np.uint8), sample.mask)

    def _stored_samples(self, split: str) -> list[Sample]:
        if split == "val":
            raise MissingSplitError(
                f"{self.name} has no split {split!r}", "set data.source.val_fraction=0.1"
            )
        lines = read_name_list(self.root / "TestSet1.txt")
        tested = {Path(line.replace("\\", "/")).stem for line in lines}
        labels = self.root / "SemanticLabels" / COLLECTION
        images = list_pictures(self.root / "Images" / COLLECTION).pictures
        chosen = {
            name: path for name, path in images.items() if (name in tested) == (split == "test")
        }
        missing = [name for name in chosen if not (labels / f"{name}.mat").is_file()]
        if missing:
            raise PairingError(
                f"{len(missing)} images have no labels in {labels}: {list_some(sorted(missing))}; "
                "add what is missing, or remove the images"
            )
        return [
            Sample(name, str(path), str(labels / f"{name}.mat")) for name, path in chosen.items()
        ]
