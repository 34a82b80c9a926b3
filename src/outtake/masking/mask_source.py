"""Masks as a sequence, one for each frame, whatever files they lie in."""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from itertools import count, islice, repeat
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple, Protocol

import cv2
import numpy as np

from outtake.core.errors import ConfigError, VideoError
from outtake.masking.annotation_files import AnnotatedFrame
from outtake.masking.class_selection import BinaryMask
from outtake.masking.mask_picture import MaskPicture, read_mask_picture
from outtake.masking.mask_statistics import COUNT_STEP
from outtake.masking.mask_values import MaskMeaning
from outtake.video.read.alpha_video import has_alpha, read_rgba
from outtake.video.read.clip import open_clip
from outtake.video.read.inputs import VideoInput, sha256_of_images, sha256_of_input
from outtake.video.read.safety_limits import SafetyLimits

# Masks of another size are those of the clip if they are as wide for their height.
_ASPECT_TOLERANCE = 0.01
_ROUNDING_PX = 2


class MaskOfFrame(NamedTuple):
    """A mask as it was read.

    Attributes:
        mask: uint8 (H, W), 1 where something is removed.
        contents: How many of some pixels of its picture have each value; empty where there is none.
    """

    mask: BinaryMask
    contents: Mapping[str, int] = MappingProxyType({})


class MaskSource(Protocol):
    """Masks in the order of the frames."""

    @property
    def name(self) -> str:
        """What the masks are called in messages."""
        ...

    @property
    def size(self) -> tuple[int, int]:
        """Their height and width."""
        ...

    @property
    def one_for_each(self) -> bool:
        """Whether they end where the clip does; else there is a mask for any frame."""
        ...

    def open(self, skip: int = 0) -> Generator[MaskOfFrame, None, None]:
        """Yield the masks from the frame with this number on."""
        ...

    def digest(self) -> str:
        """Return what identifies the content."""
        ...


def fits(mask_size: tuple[int, int], frame_size: tuple[int, int]) -> bool:
    """Return whether masks of a size are those of frames of a size, perhaps made smaller."""
    (height, width), (frame_height, frame_width) = mask_size, frame_size
    scaled = width * frame_height / height
    return abs(scaled - frame_width) <= max(_ASPECT_TOLERANCE * frame_width, _ROUNDING_PX)


def resize_mask(mask: BinaryMask, size: tuple[int, int]) -> BinaryMask:
    """Return a mask at a size (height, width), with edges that follow the old ones smoothly."""
    if mask.shape[:2] == size:
        return mask
    way = cv2.INTER_AREA if mask.shape[0] > size[0] else cv2.INTER_LINEAR
    soft = cv2.resize(mask * np.uint8(255), size[::-1], interpolation=way)
    return np.asarray(soft > 127).view(np.uint8)


@dataclass(frozen=True)
class PictureMasks:
    """Pictures: one for each frame, one for all frames, or one for each of some frames.

    Attributes:
        name: What they are called in messages.
        files: The pictures.
        size: Their height and width.
        meaning: What their values mean.
        limits: Bounds on what a picture may ask for.
        numbers: The frame of each picture; None for one after the other.
        still: Whether the only picture is the mask of every frame.
        objects: Folders of objects with pictures of these names, whose union is the mask; empty
            where a picture is all of a mask.
    """

    name: str
    files: tuple[Path, ...]
    size: tuple[int, int]
    meaning: MaskMeaning
    limits: SafetyLimits
    numbers: tuple[int, ...] | None = None
    still: bool = False
    objects: tuple[Path, ...] = ()

    @property
    def one_for_each(self) -> bool:
        """Whether there is a picture for each frame."""
        return self.numbers is None and not self.still

    def open(self, skip: int = 0) -> Generator[MaskOfFrame, None, None]:
        """Yield the masks from the frame with this number on."""
        if self.still:
            yield from repeat(self._read(self.files[0]))
        elif self.numbers is None:
            yield from map(self._read, islice(self.files, skip, None))
        else:
            place = dict(zip(self.numbers, self.files, strict=True))
            nothing = MaskOfFrame(np.zeros(self.size, np.uint8))
            for frame in count(skip):
                yield self._read(place[frame]) if frame in place else nothing

    def digest(self) -> str:
        """Return the SHA-256 over names and content."""
        return sha256_of_images([layer for file in self.files for layer in self._layers(file)])

    def _layers(self, file: Path) -> list[Path]:
        """Return the pictures that make up a mask."""
        if not self.objects:
            return [file]
        return [each / file.name for each in self.objects if (each / file.name).is_file()]

    def _read(self, file: Path) -> MaskOfFrame:
        if not self.objects:
            return self._read_picture(file, self.meaning)
        union, contents = np.zeros(self.size, np.uint8), dict[str, int]()
        for layer in self._layers(file):
            mask = self._read_picture(layer, replace(self.meaning, invert=False)).mask
            contents[layer.parent.name] = int(mask[::COUNT_STEP, ::COUNT_STEP].sum())
            union |= mask
        return MaskOfFrame(union ^ np.uint8(self.meaning.invert), contents)

    def _read_picture(self, file: Path, meaning: MaskMeaning) -> MaskOfFrame:
        picture = read_mask_picture(file, self.limits)
        if picture.size != self.size:
            (height, width), (own_height, own_width) = self.size, picture.size
            raise VideoError(
                f"the mask {file} is {own_width}x{own_height}, but {self.files[0].name} is "
                f"{width}x{height}; masks of a clip must agree"
            )
        return _of_picture(picture, meaning, file)


@dataclass(frozen=True)
class VideoMasks:
    """A video of masks.

    Attributes:
        name: What it is called in messages.
        video: The video.
        size: Height and width of its frames.
        meaning: What its values mean.
        limits: Bounds on what it may ask for.
        part: Which of its frames are used; None for all.
    """

    name: str
    video: VideoInput
    size: tuple[int, int]
    meaning: MaskMeaning
    limits: SafetyLimits
    part: range | None = None
    one_for_each = True

    def open(self, skip: int = 0) -> Generator[MaskOfFrame, None, None]:
        """Yield the masks from the frame with this number on."""
        used = self.part or range(sys.maxsize)
        first = used.start + skip * used.step
        with open_mask_video(self.video, self.limits, first) as pictures:
            for picture in islice(pictures, 0, max(used.stop - first, 0), used.step):
                yield _of_picture(picture, self.meaning, self.name)

    def digest(self) -> str:
        """Return what identifies the file, or the stream's address."""
        with open_clip(self.video, limits=self.limits) as clip:
            return clip.digest()


@dataclass(frozen=True)
class ShiftedMasks:
    """Masks of which the first is not that of the first frame.

    Attributes:
        masks: The masks.
        offset: The frame of the clip, from 0, that the first of them is of; if it is negative, so
            many of them are of frames before the first. Frames without a mask have an empty one.
        part: Which frames of the clip are used; None for all.
    """

    masks: MaskSource
    offset: int
    part: range | None = None
    one_for_each = False

    @property
    def name(self) -> str:
        """What they are called in messages."""
        return self.masks.name

    @property
    def size(self) -> tuple[int, int]:
        """Their height and width."""
        return self.masks.size

    def open(self, skip: int = 0) -> Generator[MaskOfFrame, None, None]:
        """Yield the masks from the frame with this number on."""
        nothing = MaskOfFrame(np.zeros(self.size, np.uint8))
        start, step = (0, 1) if self.part is None else (self.part.start, self.part.step)
        place = start + skip * step - self.offset
        before = max(-(place // step), 0)
        yield from repeat(nothing, before)
        with closing(self.masks.open(place + before * step)) as masks:
            yield from islice(masks, 0, None, step)
        yield from repeat(nothing)

    def digest(self) -> str:
        """Return what identifies the masks; offset and part are options of the job."""
        return self.masks.digest()


def _of_picture(picture: MaskPicture, meaning: MaskMeaning, name: object) -> MaskOfFrame:
    return MaskOfFrame(meaning.to_mask(picture, name), meaning.count_contents(picture, name))


@contextmanager
def open_mask_video(
    video: VideoInput, limits: SafetyLimits, skip: int = 0
) -> Iterator[Iterator[MaskPicture]]:
    """Open a video of masks as pictures, with alpha if it has that."""
    if not video.address and not video.images and has_alpha(video.path, limits):
        with closing(read_rgba(video.path, limits, skip)) as frames:
            yield (video_picture(image) for image in frames)
        return
    with open_clip(video, skip=skip, limits=limits, high_bit_depth=False) as clip:
        yield (
            MaskPicture(frame.image, frame.stored.alpha if frame.stored else None, lossy=True)
            for frame in clip
        )


def video_picture(image: BinaryMask) -> MaskPicture:
    """Return a frame of a video, uint8 (H, W, 3 or 4), as a picture of a mask."""
    alpha = image[:, :, 3] if image.shape[2] == 4 else None
    return MaskPicture(image[:, :, :3], alpha, lossy=True)


@dataclass(frozen=True)
class AnnotatedMasks:
    """Annotations: shapes in each frame, or in some.

    Attributes:
        name: What they are called in messages.
        files: The files that they were read from.
        frames: What is marked, by the number of the frame.
        size: Height and width of the masks.
        ids: Numbers or names of the classes that count; None for all.
        invert: Whether what is not marked is removed.
        still: Whether the only annotated frame has the mask of every frame.
    """

    name: str
    files: tuple[Path, ...]
    frames: Mapping[int, AnnotatedFrame]
    size: tuple[int, int]
    ids: Sequence[int | str] | None = None
    invert: bool = False
    still: bool = False
    one_for_each = False

    def open(self, skip: int = 0) -> Generator[MaskOfFrame, None, None]:
        """Yield the masks from the frame with this number on."""
        nothing = MaskOfFrame(np.zeros(self.size, np.uint8))
        if self.still:
            yield from repeat(self._draw(next(iter(self.frames.values()))))
        for number in count(skip):
            frame = self.frames.get(number)
            yield nothing if frame is None else self._draw(frame)

    def digest(self) -> str:
        """Return the SHA-256 over the files."""
        if len(self.files) == 1:
            return sha256_of_input(self.files[0])
        return sha256_of_images(self.files)

    def _draw(self, frame: AnnotatedFrame) -> MaskOfFrame:
        mask = resize_mask(frame.draw(self.size, self.ids), self.size)
        return MaskOfFrame(mask ^ np.uint8(1) if self.invert else mask)


def check_size(source: MaskSource, frame_size: tuple[int, int]) -> str | None:
    """Find out whether masks fit frames of a size (height, width).

    Returns:
        What is done about a difference, for the user; None where there is none.

    Raises:
        ConfigError: The masks are of another shape.
    """
    if source.size == frame_size:
        return None
    shown = "x".join(map(str, source.size[::-1])), "x".join(map(str, frame_size[::-1]))
    if not fits(source.size, frame_size):
        raise ConfigError(
            f"masks: {source.name} is {shown[0]}, but the clip is {shown[1]}; masks must have the "
            "clip's size, or its shape"
        )
    change = "enlarged" if source.size < frame_size else "reduced"
    return f"{source.name} is {shown[0]} and is {change} to the clip's {shown[1]}"
