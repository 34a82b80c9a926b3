"""Some pictures of masks, from which is decided what the values of all of them mean."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from outtake.masking.mask_picture import MaskPicture, read_mask_picture
from outtake.video.read.safety_limits import SafetyLimits

# As many pictures are looked at, spread over all; more of them where these are of one value.
_SAMPLE = 12
_LARGE_SAMPLE = 96


def sample_pictures(files: Sequence[Path], limits: SafetyLimits) -> list[MaskPicture]:
    """Return some of the pictures, spread over all; more where those are of one value.

    Raises:
        VideoError: One of them cannot be read.
    """
    order = _spread(len(files), _SAMPLE)
    rest = [index for index in _spread(len(files), _LARGE_SAMPLE) if index not in order]
    sample = [read_mask_picture(files[index], limits) for index in order]
    if not any(map(_varies, sample)):
        sample += take_until_varied(read_mask_picture(files[index], limits) for index in rest)
    return sample


def _spread(count: int, most: int) -> list[int]:
    wanted = min(count, most)
    return sorted({index * (count - 1) // max(wanted - 1, 1) for index in range(wanted)})


def take_until_varied(pictures: Iterator[MaskPicture]) -> list[MaskPicture]:
    """Return the first pictures up to one that is not of one value, and a few more."""
    sample: list[MaskPicture] = []
    for picture in islice(pictures, _LARGE_SAMPLE):
        sample.append(picture)
        if _varies(picture):
            sample += islice(pictures, 3)
            break
        sample = sample[-_SAMPLE:]
    return sample


def _varies(picture: MaskPicture) -> bool:
    planes = [picture.values] if picture.alpha is None else [picture.values, picture.alpha]
    return any(plane.min() != plane.max() for plane in planes)
