"""Pack a data set into shards, one after the other; what is finished is never written again."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any

import numpy as np

from outtake.core.errors import (
    DataRootError,
    MissingSplitError,
    OutputError,
    SizeMismatchError,
)
from outtake.core.files import replace_file, replace_text, write_json
from outtake.core.parallel import default_threads
from outtake.core.progress import progress_bar
from outtake.data.clipped_samples import watch_samples
from outtake.data.find_sample_range import warn_of_lost_samples
from outtake.data.packed_format import (
    FORMAT,
    INDEX_NAME,
    MASK_SUFFIX,
    PackedSample,
    ShardRecord,
    encode_picture,
    find_own_bytes,
    read_shard_record,
    record_path,
    sha256_hex,
    shard_name,
)
from outtake.data.sample_range import get_sample_range
from outtake.data.source import SPLITS, Sample, SegmentationSource, find_group, warn_of_data
from outtake.data.verification import check_labels

_BATCH = 64  # samples that are encoded before any is written
_PROBED = 16
_MARGIN = 1.1  # on the bytes that a packed data set is estimated to take
_BLOCK = tarfile.BLOCKSIZE


@dataclass(frozen=True)
class PackedSplit:
    """What was packed of a split.

    Attributes:
        split: Its name.
        shards: The records of its shards.
        kept: How many shards were there already.
    """

    split: str
    shards: tuple[ShardRecord, ...]
    kept: int

    @property
    def samples(self) -> int:
        """The number of samples."""
        return sum(len(shard.samples) for shard in self.shards)

    @property
    def bytes(self) -> int:
        """The size of its shards."""
        return sum(shard.bytes for shard in self.shards)

    @property
    def recoded_images(self) -> int:
        """How many images could not keep the bytes of their files."""
        return sum(shard.recoded for shard in self.shards)


def pack(
    source: SegmentationSource,
    folder: Path,
    shard_bytes: int,
    options: Mapping[str, Any] | None = None,
) -> list[PackedSplit]:
    """Write every split of a data set as shards; go on where an earlier call was ended.

    Args:
        source: The data set.
        folder: Where the shards are written.
        shard_bytes: The size at which a shard is closed.
        options: What the data set was made of, as ``data.source`` in plain containers: shards of
            other options, such as a threshold, are not gone on with.

    Raises:
        OutputError: The folder holds another packing, or the data or the options have changed
            since, or the disk has too little room.
        DataRootError: The data set is missing.
    """
    splits = _list_splits(source)
    plan = _plan(source, splits, shard_bytes, options or {})
    kept = {split: _finished_shards(source, folder, split, plan, splits[split]) for split in splits}
    _check_room(source, splits, kept, folder)
    done = []
    for split, samples in splits.items():
        there = kept[split]
        # What reads a shard sees 8 bits, so nobody could say it later.
        with watch_samples() as lost:
            fresh = _pack_split(source, split, samples, folder, there, plan, shard_bytes)
        warn_of_lost_samples(lost, len(samples), split)
        done.append(PackedSplit(split, (*there, *fresh), len(there)))
    _write_index(source, folder, done)
    return done


def _list_splits(source: SegmentationSource) -> dict[str, list[Sample]]:
    found = {}
    for split in SPLITS:
        try:
            found[split] = source.samples(split)
        except MissingSplitError as error:
            if split == "train":
                raise
            if split == "val":  # test is optional
                warn_of_data(f"val is left out: {error}")
        except DataRootError as error:
            if split != "test":
                raise
            warn_of_data(f"test is left out: {error}")
    return found


def _plan(
    source: SegmentationSource,
    splits: dict[str, list[Sample]],
    shard_bytes: int,
    options: Mapping[str, Any],
) -> str:
    """Return a digest of what is packed and how."""
    ids = {split: [sample.id for sample in samples] for split, samples in splits.items()}
    how = [
        FORMAT, source.name, source.labels.to_dict(), source.channels, _range_record(source),
        shard_bytes, ids, options,
    ]  # fmt: skip
    return sha256_hex(json.dumps(how, default=str).encode())


def _digest(source: SegmentationSource, sample: Sample) -> str:
    """Return a digest of what the data set has of a sample, not of what is made of it."""
    return sha256_hex("".join(map(sha256_hex, source.sample_bytes(sample))).encode())


def _plan_of_shard(plan: str, digests: Iterable[str]) -> str:
    return sha256_hex("".join([plan, *digests]).encode())


def _finished_shards(
    source: SegmentationSource, folder: Path, split: str, plan: str, samples: Sequence[Sample]
) -> list[ShardRecord]:
    """Return the shards of this packing that are complete, in order."""
    found: list[ShardRecord] = []
    rest = iter(samples)
    while record_path(path := folder / shard_name(split, len(found))).exists():
        record = read_shard_record(path)
        own = islice(rest, len(record.samples))
        if record.plan != _plan_of_shard(plan, (_digest(source, sample) for sample in own)):
            raise OutputError(
                f"{folder} holds shards of another data set or of one that has changed, or packed "
                "with another shard_mib or data.source: name another output, or delete the folder"
            )
        if not path.is_file() or path.stat().st_size != record.bytes:
            break
        found.append(record)
    return found


def _check_room(
    source: SegmentationSource,
    splits: dict[str, list[Sample]],
    kept: dict[str, list[ShardRecord]],
    folder: Path,
) -> None:
    """Compare what the rest will take, by a few samples, with what is free."""
    left = [
        sample
        for split, samples in splits.items()
        for sample in samples[sum(len(shard.samples) for shard in kept[split]) :]
    ]
    if not left:
        return
    probed = left[:: max(len(left) // _PROBED, 1)][:_PROBED]
    each = np.mean([sum(map(len, _Encoded.of(source, sample).contents)) for sample in probed])
    needed = _MARGIN * len(left) * (float(each) + 3 * _BLOCK)
    place = folder.absolute()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    if needed > free:
        raise OutputError(
            f"{len(left)} samples will take about {needed / 1e9:.1f} GB and {free / 1e9:.1f} GB "
            f"are free in {place}: make room, or name another output"
        )


@dataclass(frozen=True)
class _Encoded:
    """A sample as it goes into a shard: its image and its mask."""

    suffix: str
    contents: tuple[bytes, bytes]
    height: int
    width: int
    pixels: tuple[tuple[int, int], ...]
    recoded: bool
    digest: str
    group: str | None

    @classmethod
    def of(cls, source: SegmentationSource, sample: Sample) -> _Encoded:
        """Read and encode a sample."""
        image, mask = source.read_image(sample), source.read_mask(sample)
        height, width = mask.shape
        if image.shape[:2] != mask.shape:
            raise SizeMismatchError(
                f"the image {sample.image} is {image.shape[1]}x{image.shape[0]} and its mask "
                f"{sample.mask} is {width}x{height}; outtake verify lists all such"
            )
        if image.shape[2] != source.channels:
            raise DataRootError(
                f"the image {sample.image} has {image.shape[2]} channels, the data set has "
                f"{source.channels}; convert it or take it away"
            )
        kept = find_own_bytes(Path(sample.image), image)
        suffix, content = kept or encode_picture(image)
        pixels = np.bincount(mask.ravel(), minlength=256).astype(np.int64)
        check_labels(pixels, source.labels, sample)
        contents = (content, encode_picture(mask)[1])
        there = tuple((int(label), int(pixels[label])) for label in np.flatnonzero(pixels))
        digest = _digest(source, sample)
        group = find_group(source, sample)
        return cls(suffix, contents, height, width, there, kept is None, digest, group)


def _pack_split(
    source: SegmentationSource,
    split: str,
    samples: Sequence[Sample],
    folder: Path,
    kept: Sequence[ShardRecord],
    plan: str,
    shard_bytes: int,
) -> list[ShardRecord]:
    done = sum(len(shard.samples) for shard in kept)
    written: list[ShardRecord] = []
    title = f"Packing {source.name} {split}"
    with progress_bar(title, len(samples), done=done) as bar:
        rest = _encode_all(source, samples[done:])
        row, ahead = done, next(rest, None)
        while ahead is not None:
            shard = folder / shard_name(split, len(kept) + len(written))
            writer = _ShardWriter(row)

            def write(file: IO[bytes], writer: _ShardWriter = writer) -> None:
                nonlocal ahead
                with tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as tar:
                    while ahead is not None and (not writer.samples or tar.offset < shard_bytes):
                        writer.add(tar, *ahead)
                        bar.advance(bar.task_ids[0])
                        ahead = next(rest, None)

            replace_file(shard, write)
            size = shard.stat().st_size
            own_plan = _plan_of_shard(plan, writer.digests)
            record = ShardRecord(shard.name, size, own_plan, tuple(writer.samples), writer.recoded)
            replace_text(record_path(shard), record.to_json())
            written.append(record)
            row += len(writer.samples)
    return written


class _ShardWriter:
    """Adds samples to an open tar and notes where they lie."""

    def __init__(self, first_row: int) -> None:
        self._row = first_row
        self.samples: list[PackedSample] = []
        self.digests: list[str] = []
        self.recoded = 0

    def add(self, tar: tarfile.TarFile, sample: Sample, encoded: _Encoded) -> None:
        """Add a sample."""
        key = f"{self._row + len(self.samples):08d}"
        members = (key + encoded.suffix, key + MASK_SUFFIX)
        offsets = []
        for name, content in zip(members, encoded.contents, strict=True):
            about = tarfile.TarInfo(name)
            about.size, about.mode = len(content), 0o644  # the same bytes whoever packs, and when
            offsets.append(tar.offset + _BLOCK)
            tar.addfile(about, io.BytesIO(content))
        one, other = encoded.contents
        self.samples.append(
            PackedSample(
                sample.id, members, (offsets[0], offsets[1]), (len(one), len(other)),
                (sha256_hex(one), sha256_hex(other)), encoded.height, encoded.width,
                encoded.pixels, encoded.group,
            )
        )  # fmt: skip
        self.digests.append(encoded.digest)
        self.recoded += encoded.recoded


def _encode_all(
    source: SegmentationSource, samples: Sequence[Sample]
) -> Iterator[tuple[Sample, _Encoded]]:
    """Encode samples in threads, in order, and no more of them than memory holds easily."""
    with ThreadPoolExecutor(default_threads()) as pool:
        for first in range(0, len(samples), _BATCH):
            some = samples[first : first + _BATCH]
            found = list(pool.map(lambda sample: _Encoded.of(source, sample), some))
            yield from zip(some, found, strict=True)


def _range_record(source: SegmentationSource) -> dict[str, Any] | None:
    limits = get_sample_range(source)
    return None if limits is None else limits.to_dict()


def _write_index(source: SegmentationSource, folder: Path, done: Sequence[PackedSplit]) -> None:
    record = {
        "format": FORMAT,
        "name": source.name,
        "labels": source.labels.to_dict(),
        "channels": source.channels,
        "sample_range": _range_record(source),
        "splits": {
            each.split: [
                {
                    "file": shard.file,
                    "bytes": shard.bytes,
                    "samples": len(shard.samples),
                    "record_sha256": sha256_hex(shard.to_json().encode()),
                }
                for shard in each.shards
            ]
            for each in done
        },
    }
    write_json(folder / INDEX_NAME, record)
