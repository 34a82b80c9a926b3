"""A packed data set: samples out of shards, in any order, each checked when it is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from outtake.core.errors import (
    ConfigError,
    DataRootError,
    MissingSplitError,
    UnreadableImageError,
)
from outtake.core.labels import LabelSpace
from outtake.core.types import Frame, LabelMap
from outtake.data.fingerprint import split_fingerprint
from outtake.data.packed_format import (
    FORMAT,
    INDEX_NAME,
    REPAIR_ADVICE,
    PackedSample,
    decode_picture,
    read_json,
    read_shard_record,
    record_path,
    sha256_hex,
)
from outtake.data.sample_range import SampleRange
from outtake.data.source import Sample, check_split
from outtake.data.verification import SplitReport

_IMAGE, _MASK = 0, 1


class Packed:
    """What ``outtake pack`` wrote; see :mod:`outtake.data.packed_format`.

    Before training, each shard must be there with its size, and its record with its checksum; every
    sample is compared with its checksum when it is read. Nothing else is decoded then: sizes and
    pixels are in the records. ``outtake verify`` reads everything.

    Args:
        root: The folder.
        strict: Refuse a split of which a shard is missing or cut off; ``outtake verify`` lists it.

    Raises:
        ConfigError: No folder is named.
        DataRootError: The folder holds no packed data set, or an unfinished one.
    """

    def __init__(self, root: str | None, *, strict: bool = True) -> None:
        if not root:
            raise ConfigError("data.root has no value: name the folder that outtake pack wrote")
        self.root = Path(root).expanduser()
        if not (self.root / INDEX_NAME).is_file():
            raise DataRootError(
                f"{self.root} holds no {INDEX_NAME}: outtake pack data=... output={self.root} "
                "writes it, and finishes a packing that was ended"
            )
        self._index = read_json(self.root / INDEX_NAME)
        self._strict = strict
        self._tables: dict[str, _SampleTable] = {}
        try:
            if self._index["format"] != FORMAT:
                raise ValueError(self._index["format"])
            self.name = str(self._index["name"])
            self.labels = LabelSpace.from_dict(self._index["labels"])
            self.channels = int(self._index["channels"])
            limits = self._index["sample_range"]
            self.sample_range = None if limits is None else SampleRange.from_dict(limits)
            self._shards: Mapping[str, Any] = dict(self._index["splits"])
        except (KeyError, TypeError, ValueError) as error:
            raise DataRootError(
                f"{self.root / INDEX_NAME} is not of this version of Outtake ({error}); pack again"
            ) from error

    def samples(self, split: str) -> list[Sample]:
        """Return the samples of a split in the order in which they were packed."""
        table = self._table(split)
        shards = [str(table.shard_of(row)) for row in range(len(table.ids))]
        return [
            Sample(each, f"{shard}/{image}", f"{shard}/{mask}")
            for each, shard, (image, mask) in zip(table.ids, shards, table.members, strict=True)
        ]

    def read_image(self, sample: Sample) -> Frame:
        """Return uint8 (H, W, channels)."""
        name = Path(sample.image)
        return decode_picture(self._read(name, _IMAGE), name.suffix, sample.image)

    def read_mask(self, sample: Sample) -> LabelMap:
        """Return class ids, uint8 (H, W)."""
        return decode_picture(self._read(Path(sample.mask), _MASK), ".png", sample.mask)[..., 0]

    def sample_bytes(self, sample: Sample) -> tuple[bytes, ...]:
        """Return the bytes of the image and of the mask."""
        return self._read(Path(sample.image), _IMAGE), self._read(Path(sample.mask), _MASK)

    def group(self, sample: Sample) -> str | None:
        """Return the recording that a sample is of; None where that was not known."""
        member = Path(sample.image)
        split, row = _locate(member)
        return self._table(split).groups[row]

    def recorded_report(self, split: str) -> SplitReport:
        """Return what packing found out about a split, as verification would."""
        table = self._table(split)
        files = {
            each: (digests[0].tobytes().hex(), digests[1].tobytes().hex())
            for each, digests in zip(table.ids, table.sha256, strict=True)
        }
        sizes = [(int(height), int(width)) for height, width in table.image_sizes]
        return SplitReport(
            split=split,
            labels=self.labels,
            channels=self.channels,
            samples=tuple(self.samples(split)),
            sizes=dict(zip(table.ids, sizes, strict=True)),
            sample_class_pixels=table.pixels[:, :-1],
            ignored_pixels=int(table.pixels[:, -1].sum()),
            files=files,
            fingerprint=split_fingerprint(files),
        )

    def _table(self, split: str) -> _SampleTable:
        check_split(split)
        if split not in self._shards:
            raise MissingSplitError(
                f"no split {split!r} in {self.root}, which has: {', '.join(self._shards)}",
                "pack it, or score another, as split=train",
            )
        if split not in self._tables:
            self._tables[split] = self._read_table(split)
        return self._tables[split]

    def _read_table(self, split: str) -> _SampleTable:
        samples: list[PackedSample] = []
        paths, first_rows = [], []
        for listed in self._shards[split]:
            path = self.root / str(listed["file"])
            if self._strict:
                _check_shard(path, int(listed["bytes"]))
            if sha256_hex(_read_whole(record_path(path))) != listed["record_sha256"]:
                raise DataRootError(f"{record_path(path)} has a wrong checksum; {REPAIR_ADVICE}")
            record = read_shard_record(path)
            paths.append(path)
            first_rows.append(len(samples))
            samples += record.samples
        return _SampleTable.of(samples, self._count_pixels(samples), paths, first_rows)

    def _count_pixels(self, samples: list[PackedSample]) -> NDArray[np.int64]:
        """Return the pixels of each class and, last, the ignored ones, (samples, classes + 1)."""
        classes = len(self.labels.names)
        counts = np.zeros((len(samples), classes + 1), np.int64)
        for row, sample in enumerate(samples):
            for label, count in sample.pixels:
                counts[row, min(label, classes)] = count
        return counts

    def _read(self, member: Path, which: int) -> bytes:
        """Read a member and compare it with its checksum."""
        shard, (split, row) = member.parent, _locate(member)
        table = self._table(split)
        try:
            with shard.open("rb", buffering=0) as file:
                file.seek(int(table.offsets[row, which]))
                content = file.read(int(table.sizes[row, which]))
        except OSError as error:
            reason = error.strerror or error
            raise UnreadableImageError(
                f"cannot read {member.name} of {shard}: {reason}; {REPAIR_ADVICE}"
            ) from error
        if bytes.fromhex(sha256_hex(content)) != table.sha256[row, which].tobytes():
            raise UnreadableImageError(
                f"the shard {shard} is damaged: {member.name} has a wrong checksum; {REPAIR_ADVICE}"
            )
        return content


@dataclass(frozen=True)
class _SampleTable:
    """The samples of a split in arrays: processes that are forked share them without copying."""

    ids: tuple[str, ...]
    members: tuple[tuple[str, str], ...]
    offsets: NDArray[np.int64]  # (samples, 2)
    sizes: NDArray[np.int64]  # (samples, 2)
    sha256: NDArray[np.uint8]  # (samples, 2, 32)
    image_sizes: NDArray[np.int64]  # (samples, 2)
    pixels: NDArray[np.int64]  # (samples, classes + 1), the ignored ones last
    shards: tuple[Path, ...]
    first_rows: NDArray[np.int64]  # of each shard
    groups: tuple[str | None, ...]

    @classmethod
    def of(
        cls,
        samples: list[PackedSample],
        pixels: NDArray[np.int64],
        shards: list[Path],
        first_rows: list[int],
    ) -> _SampleTable:
        """Gather the samples of all shards."""
        digests = b"".join(bytes.fromhex(each) for sample in samples for each in sample.sha256)
        return cls(
            tuple(sample.id for sample in samples),
            tuple(sample.members for sample in samples),
            np.array([sample.offsets for sample in samples], np.int64).reshape(-1, 2),
            np.array([sample.sizes for sample in samples], np.int64).reshape(-1, 2),
            np.frombuffer(digests, np.uint8).reshape(-1, 2, 32),
            np.array([(each.height, each.width) for each in samples], np.int64).reshape(-1, 2),
            pixels,
            tuple(shards),
            np.array(first_rows, np.int64),
            tuple(sample.group for sample in samples),
        )

    def shard_of(self, row: int) -> Path:
        """Return the path of the shard that holds a sample."""
        return self.shards[int(np.searchsorted(self.first_rows, row, "right")) - 1]


def _locate(member: Path) -> tuple[str, int]:
    """Return the split and the row of a member of a shard."""
    return member.parent.name.rpartition("-")[0], int(member.name.partition(".")[0])


def _check_shard(path: Path, size: int) -> None:
    if not path.is_file():
        raise DataRootError(f"the shard {path} is missing; {REPAIR_ADVICE}")
    found = path.stat().st_size
    if found != size:
        how = "cut off" if found < size else "not the one that was packed"
        raise DataRootError(
            f"the shard {path} is {how}: it has {found} bytes of {size}; {REPAIR_ADVICE}"
        )


def _read_whole(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataRootError(
            f"{path} cannot be read: {error.strerror or error}; {REPAIR_ADVICE}"
        ) from error
