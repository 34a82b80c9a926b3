"""The files of a packed data set: shards as tar, an index of each, and one of all.

A shard is a plain tar in the layout of WebDataset, which any tool reads: ``00000012.jpg`` and
``00000012.mask.png`` are an image and its class ids. Beside ``train-00000.tar`` lies
``train-00000.json``, which says where each member begins, so that any sample is read by itself, in
any order. ``index.json`` names the classes and all shards. It is written last: without it, the
packing was not finished.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from outtake.core.errors import DataRootError, UnreadableImageError
from outtake.core.types import Frame
from outtake.data.decode_files import read_pixels

INDEX_NAME = "index.json"
FORMAT = "outtake-packed-2"
MASK_SUFFIX = ".mask.png"
# Images of these are kept as they are, if they hold what the data set gives.
KEPT_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp"})


@dataclass(frozen=True, slots=True)
class PackedSample:
    """Where a sample lies in its shard.

    Attributes:
        id: Its id in the data set that was packed.
        members: The names of image and mask in the tar.
        offsets: Where the bytes of each begin.
        sizes: The number of those bytes.
        sha256: Their digests, in hex.
        height: The height of both in pixels.
        width: The width of both in pixels.
        pixels: The labels that its mask holds, each with the number of its pixels.
        group: The recording that it is of; None where the data set does not know.
    """

    id: str
    members: tuple[str, str]
    offsets: tuple[int, int]
    sizes: tuple[int, int]
    sha256: tuple[str, str]
    height: int
    width: int
    pixels: tuple[tuple[int, int], ...]
    group: str | None


@dataclass(frozen=True)
class ShardRecord:
    """The contents of the file beside a shard.

    Attributes:
        file: The name of the tar.
        bytes: Its size.
        plan: What is packed and how, as a digest, with the bytes of its samples in the data set.
        samples: Its samples in order.
        recoded: How many images could not keep the bytes of their files.
    """

    file: str
    bytes: int
    plan: str
    samples: tuple[PackedSample, ...]
    recoded: int

    def to_json(self) -> str:
        """Return the text of the file."""
        return json.dumps(asdict(self)) + "\n"


def shard_name(split: str, number: int) -> str:
    """Return the name of a shard."""
    return f"{split}-{number:05d}.tar"


def record_path(shard: Path) -> Path:
    """Return the path of the record beside a shard."""
    return shard.with_suffix(".json")


def read_shard_record(shard: Path) -> ShardRecord:
    """Read the record beside a shard.

    Raises:
        DataRootError: It is missing or damaged.
    """
    path = record_path(shard)
    record = read_json(path)
    try:
        return ShardRecord(
            str(record["file"]),
            int(record["bytes"]),
            str(record["plan"]),
            tuple(_read_sample(each) for each in record["samples"]),
            int(record["recoded"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise DataRootError(f"{path} is no record of a shard; {REPAIR_ADVICE}") from error


def _read_sample(plain: Mapping[str, Any]) -> PackedSample:
    image, mask = plain["members"]
    pixels = tuple((int(label), int(count)) for label, count in plain["pixels"])
    return PackedSample(
        str(plain["id"]),
        (str(image), str(mask)),
        _pair(plain["offsets"]),
        _pair(plain["sizes"]),
        (str(plain["sha256"][0]), str(plain["sha256"][1])),
        int(plain["height"]),
        int(plain["width"]),
        pixels,
        None if plain["group"] is None else str(plain["group"]),
    )


def _pair(plain: Sequence[Any]) -> tuple[int, int]:
    return int(plain[0]), int(plain[1])


def read_json(path: Path) -> Mapping[str, Any]:
    """Read a JSON object.

    Raises:
        DataRootError: It is missing or damaged.
    """
    try:
        record = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise DataRootError(f"{path} is missing; {REPAIR_ADVICE}") from error
    except (OSError, ValueError) as error:
        raise DataRootError(f"{path} cannot be read: {error}; {REPAIR_ADVICE}") from error
    if not isinstance(record, dict):
        raise DataRootError(f"{path} is no JSON object; {REPAIR_ADVICE}")
    return record


def decode_picture(data: bytes, suffix: str, name: str) -> Frame:
    """Decode the bytes of a member to uint8 (H, W, C).

    Raises:
        UnreadableImageError: They are no picture of 8 bits.
    """
    try:
        if suffix == ".npy":
            array = np.load(io.BytesIO(data), allow_pickle=False)
        else:
            with Image.open(io.BytesIO(data)) as picture:
                array = read_pixels(picture)
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise UnreadableImageError(f"cannot read {name}: {error}; {REPAIR_ADVICE}") from error
    if array.dtype != np.uint8 or array.ndim not in (2, 3):
        raise UnreadableImageError(f"cannot read {name}: it is no picture of 8 bits")
    image: Frame = array[..., None] if array.ndim == 2 else array
    return image


def find_own_bytes(path: Path, image: Frame) -> tuple[str, bytes] | None:
    """Return a file's bytes if they decode to this very image."""
    suffix = path.suffix.lower()
    if suffix not in KEPT_SUFFIXES or not path.is_file():
        return None
    content = path.read_bytes()
    try:
        same = np.array_equal(decode_picture(content, suffix, str(path)), image)
    except UnreadableImageError:  # of 16 bits
        return None
    return (suffix, content) if same else None


def encode_picture(image: NDArray[np.uint8]) -> tuple[str, bytes]:
    """Encode uint8 (H, W) or (H, W, C) without loss; return the suffix and the bytes."""
    file = io.BytesIO()
    array = image[..., 0] if image.ndim == 3 and image.shape[2] == 1 else image
    if array.ndim == 3 and array.shape[2] > 4:
        np.save(file, array)
        return ".npy", file.getvalue()
    Image.fromarray(np.ascontiguousarray(array)).save(file, "PNG")
    return ".png", file.getvalue()


def sha256_hex(data: bytes) -> str:
    """Return the SHA-256 of bytes."""
    return hashlib.sha256(data).hexdigest()


REPAIR_ADVICE = (
    "copy it again from where the data set was packed, or delete the shard with its .json and "
    "index.json and run outtake pack once more"
)
