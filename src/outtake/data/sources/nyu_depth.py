"""NYU Depth V2 (Silberman et al., 2012): 40 classes of rooms (Gupta et al., 2013)."""

from __future__ import annotations

from outtake.core.types import Frame, LabelMap
from outtake.data.folder_layouts import SplitFolders
from outtake.data.source import Sample
from outtake.data.sources.nyu_file import FILE_NAME, NyuFile
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

    Layout: the release itself, ``root/nyu_depth_v2_labeled.mat``, see
    :class:`outtake.data.sources.nyu_file.NyuFile`; or unpacked,
    ``root/{train,test}/rgb/NUMBER.png`` with ``root/{train,test}/labels_40/NUMBER.png``. There is
    no ``val``: a part of the training images is chosen by a hash.

    Raises:
        DataRootError: ``root`` is not a folder.
        ConfigError: The release is there, and h5py is not installed.
    """

    def __init__(self, root: str, val_fraction: float = 0.1) -> None:
        super().__init__(
            "nyu_depth",
            root,
            decode_ids(NAMES, range(1, 41), ignored=(0, 255)),
            {split: (f"{split}/rgb", f"{split}/labels_40") for split in ("train", "test")},
            val_fraction=val_fraction,
        )
        path = self.root / FILE_NAME
        self._file = NyuFile(path) if path.is_file() else None

    def find_folders(self, split: str) -> SplitFolders | None:
        """Return where the files of a split are; None where they are in one file."""
        return super().find_folders(split) if self._file is None else None

    def read_image(self, sample: Sample) -> Frame:
        """Return uint8 (H, W, 3) RGB."""
        if self._file is None:
            return super().read_image(sample)
        return self._file.read_image(int(sample.id))

    def read_mask(self, sample: Sample) -> LabelMap:
        """Return class ids, uint8 (H, W), 255 where unlabelled."""
        if self._file is None:
            return super().read_mask(sample)
        return self._decoder.decode(self._file.read_labels(int(sample.id)), sample.mask)

    def sample_bytes(self, sample: Sample) -> tuple[bytes, ...]:
        """Return the bytes of the image and of its labels."""
        if self._file is None:
            return super().sample_bytes(sample)
        number = int(sample.id)
        return self._file.read_image(number).tobytes(), self._file.read_labels(number).tobytes()

    def _stored_samples(self, split: str) -> list[Sample]:
        if self._file is None or split == "val":
            return super()._stored_samples(split)
        place = f"{self._file.path} image"
        return [
            Sample(f"{number:04}", f"{place} {number}", f"{place} {number}")
            for number in self._file.numbers(split)
        ]
