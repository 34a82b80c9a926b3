"""A data set that is one video with its masks: both are read as video removal reads them."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from outtake.core.errors import ConfigError, DataRootError, MissingSplitError
from outtake.core.labels import LabelSpace
from outtake.core.progress import progress_bar
from outtake.core.types import Frame, LabelMap
from outtake.data.class_file import (
    ClassList,
    check_class_names,
    decoder_from_class_file,
    read_class_file,
)
from outtake.data.folder_layouts import resolve_path
from outtake.data.image_files import read_stored_mask
from outtake.data.infer_classes import BINARY_NAMES
from outtake.data.labelled_clip import LabelledClip
from outtake.data.mask_encoding import MaskDecoder
from outtake.data.source import DataChoice, Sample, check_split, warn_of_data
from outtake.labelled_video.clip_options import check_clip_options
from outtake.labelled_video.labelled_frames import (
    check_labels,
    find_unlabelled_value,
    split_labelled_frames,
)
from outtake.labelled_video.mask_options import read_mask_options, say_how_masks_are_read
from outtake.labelled_video.plate_residuals import read_plate_residuals
from outtake.labelled_video.project_folder import find_clip_files
from outtake.masking.build_mask_source import build_mask_source
from outtake.masking.find_mask_files import find_mask_files
from outtake.masking.mask_numbers import ClipFacts, number_of_one_mask
from outtake.masking.mask_source import AnnotatedMasks, PictureMasks, resize_mask
from outtake.video.read.clip import open_clip
from outtake.video.read.count_frames import count_frames
from outtake.video.read.inputs import VideoInput, expand_inputs
from outtake.video.read.probe import VideoInfo

MIB = 2**20


class VideoWithMasks:
    """The labelled frames of a video; ``val`` is the last part, as neighbours are nearly the same.

    Frames and masks are decoded once, when they are first asked for, and stay in memory.

    Args:
        video: A video file, or a folder of its frames; None for that of the project in ``root``.
        masks: Its masks: a video, a folder of pictures, one picture, or annotations; None for those
            of the project.
        root: The folder below which both are, unless they are found as they are given; or a project
            folder, see :mod:`outtake.labelled_video.project_folder`.
        classes: The names, or a yaml of them, whose numbers are values or palette indices of masks
            that are pictures. None is ``classes.yaml`` in ``root``, or makes what video removal
            would remove ``foreground``; masks of 1 and 255 have 255 where nothing is labelled.
        mask_options: ``channel``, ``invert``, ``threshold`` and ``ids``, as ``masks.*`` of
            ``outtake infer-video`` say what is foreground.
        first: The number that the mask of the first frame has in its name; None finds it. A single
            picture with a number is the mask of that frame, one without the mask of all.
        val_fraction: The part (0 to 1) of the labelled frames that is ``val``; None trains on all
            and scores the same.
        val_frames: The numbers of those that are ``val`` instead.
        every: One labelled frame of this many is used.
        limit_mib: The most memory of the decoded frames.

    Raises:
        ConfigError: An option is wrong, or the masks cannot be those of the video.
        VideoError: The video or its masks are missing, or cannot be read.
    """

    channels = 3

    def __init__(
        self,
        video: str | None = None,
        masks: str | None = None,
        root: str | None = None,
        classes: str | Sequence[str] | None = None,
        mask_options: Mapping[str, Any] | None = None,
        first: int | None = None,
        val_fraction: float | None = 0.2,
        val_frames: Sequence[int] | None = None,
        every: int = 1,
        limit_mib: int = 4096,
    ) -> None:
        check_clip_options(
            {"video": video, "masks": masks, "root": root},
            classes, first, val_fraction, val_frames, every, limit_mib,
        )  # fmt: skip
        files = find_clip_files(root, video, masks, classes, first)
        options = read_mask_options(mask_options)
        self._folder = Path(root or ".").expanduser()
        self._video = _find_one_video(files.video)
        self.name = self._video.path.name
        self._val_fraction, self._val_frames = val_fraction, val_frames
        self._every = every
        self._limit_mib = limit_mib
        with open_clip(self._video, high_bit_depth=False) as clip:
            facts = _describe_clip(self._video, clip.info)
        masks_found = find_mask_files(files.masks, options.ids)
        first = number_of_one_mask(masks_found, facts) if files.first is None else files.first
        found = build_mask_source(masks_found, options, clip=facts, first=first)
        self._masks = found.source
        self._decoder = self._find_decoder(files.classes, may_infer=not mask_options)
        self.labels = (
            LabelSpace.from_names(BINARY_NAMES) if self._decoder is None else self._decoder.labels
        )
        say_how_masks_are_read(found, self.name, by_classes=self._decoder is not None)
        self._decoded: dict[int, tuple[Frame, LabelMap]] | None = None
        self._residuals: dict[tuple[int, ...], dict[int, Frame]] = {}
        assert facts.size is not None
        self._check_memory(self._count_labelled(facts), *facts.size)

    def samples(self, split: str) -> list[Sample]:
        """Return the samples of a split, in the order of the frames.

        Raises:
            DataRootError: ``test`` is asked for, there are too few labelled frames, or they show
                one class alone.
            OuttakeError: A frame or mask cannot be decoded.
        """
        check_split(split)
        if split == "test":
            raise MissingSplitError(
                f"no split 'test' in {self.name}, which has: train, val",
                "score another video with data.source.video and data.source.masks",
            )
        numbers = sorted(self._frames())
        train, val = split_labelled_frames(numbers, self._val_fraction, self._val_frames, self.name)
        return [
            Sample(f"{n:06d}", f"{self.name} frame {n}", f"{self._masks.name} frame {n}")
            for n in (train if split == "train" else val)
        ]

    def group(self, sample: Sample) -> str:
        """Return the name of the video, of which all frames are."""
        return self.name

    def read_image(self, sample: Sample) -> Frame:
        """Return uint8 (H, W, 3)."""
        return self._frames()[int(sample.id)][0].copy()

    def read_mask(self, sample: Sample) -> LabelMap:
        """Return class ids, uint8 (H, W), 255 where unlabelled."""
        return self._frames()[int(sample.id)][1].copy()

    def read_plate_residual(self, sample: Sample, offsets: tuple[int, ...]) -> Frame:
        """Return what differs from the clip's own plate at a labelled frame, uint8 (H, W, 3)."""
        if offsets not in self._residuals:
            self._residuals[offsets] = read_plate_residuals(
                self._video, set(self._frames()), offsets
            )
        return self._residuals[offsets][int(sample.id)].copy()

    def describe_clip(self) -> LabelledClip:
        """Return the clip with the labels of its frames, as a checkpoint keeps them."""
        with open_clip(self._video, high_bit_depth=False) as clip:
            digest = clip.digest()
        labels = {number: labels for number, (_, labels) in self._frames().items()}
        return LabelledClip(self.name, digest, labels)

    def sample_bytes(self, sample: Sample) -> tuple[bytes, ...]:
        """Return the decoded values of the frame and of its labels."""
        image, labels = self._frames()[int(sample.id)]
        return image.tobytes(), labels.tobytes()

    def _frames(self) -> dict[int, tuple[Frame, LabelMap]]:
        """Return each labelled frame with its labels, by its number from 0."""
        if self._decoded is None:
            decoded = self._decode()
            check_labels((labels for _, labels in decoded.values()), self.labels, self.name)
            self._decoded = decoded
        return self._decoded

    def _decode(self) -> dict[int, tuple[Frame, LabelMap]]:
        labelled, found = self._labelled_numbers(), dict[int, tuple[Frame, LabelMap]]()
        place, shown, end = 0, 0, object()
        with (
            open_clip(self._video, high_bit_depth=False) as clip,
            closing(self._open_labels((clip.info.height, clip.info.width))) as masks,
            progress_bar(f"Decoding {self.name}", clip.info.frames) as bar,
        ):
            for number, frame in enumerate(clip):
                mask = next(masks, end)
                if mask is end:
                    raise ConfigError(
                        f"{self._masks.name} ends after {number} masks, and {self.name} has more "
                        "frames; give a mask for each"
                    )
                if labelled is None or number in labelled:
                    if place % self._every == 0:
                        assert isinstance(mask, np.ndarray)
                        found[number] = (np.array(frame.image), mask)
                        self._check_memory(len(found), *frame.image.shape[:2])
                    place += 1
                shown += 1
                bar.advance(bar.task_ids[0])
            if self._masks.one_for_each and next(masks, end) is not end:
                raise ConfigError(
                    f"{self._masks.name} has more masks than the {shown} frames of "
                    f"{self.name}; give one for each"
                )
        return found

    def _open_labels(self, size: tuple[int, int]) -> Generator[LabelMap, None, None]:
        """Yield the labels of each frame at the size (height, width) of frames."""
        if self._decoder is None:
            with closing(self._masks.open()) as masks:
                yield from (resize_mask(each.mask, size) for each in masks)
            return
        assert isinstance(self._masks, PictureMasks)
        files = self._masks.files
        numbers = self._masks.numbers or range(len(files))
        place = dict(zip(numbers, files, strict=True))
        frames: Iterator[int] = iter(numbers) if self._masks.one_for_each else count()
        unlabelled = np.full(size, self.labels.ignore_index, np.uint8)
        for frame in frames:
            yield self._read_labels(place[frame], size) if frame in place else unlabelled

    def _read_labels(self, file: Path, size: tuple[int, int]) -> LabelMap:
        assert self._decoder is not None
        labels = self._decoder.decode(read_stored_mask(file), str(file))
        if labels.shape != self._masks.size:
            (height, width), own = self._masks.size, labels.shape
            raise DataRootError(
                f"the mask {file} is {own[1]}x{own[0]}, the first one {width}x{height}; masks of a "
                "video must agree"
            )
        if labels.shape == size:
            return labels
        return np.asarray(cv2.resize(labels, size[::-1], interpolation=cv2.INTER_NEAREST_EXACT))

    def _labelled_numbers(self) -> set[int] | None:
        """Return the numbers of the frames that have a mask; None where all have one."""
        masks = self._masks
        if isinstance(masks, PictureMasks) and masks.numbers is not None:
            return set(masks.numbers)
        if isinstance(masks, AnnotatedMasks) and not masks.still:
            return set(masks.frames)
        return None

    def _count_labelled(self, facts: ClipFacts) -> int:
        """Return how many frames will be used; 0 where that is not known."""
        labelled = self._labelled_numbers()
        known = (facts.frames or 0) if facts.exact else 0
        return -(-(known if labelled is None else len(labelled)) // self._every)

    def _check_memory(self, frames: int, height: int, width: int) -> None:
        needed = frames * height * width * (self.channels + 1)
        if needed > self._limit_mib * MIB:
            raise ConfigError(
                f"{self.name}: {frames} labelled frames of {width}x{height} need "
                f"{-(-needed // MIB)} MiB of memory, over data.source.limit_mib={self._limit_mib}; "
                f"raise it, or take fewer frames, as in data.source.every={self._every * 10}"
            )

    def _find_decoder(
        self, classes: str | Sequence[str] | None, *, may_infer: bool
    ) -> MaskDecoder | None:
        masks = self._masks
        if classes is None:
            return self._infer_decoder() if may_infer else None
        if not isinstance(masks, PictureMasks) or masks.still or masks.objects:
            raise ConfigError(
                f"data.source.classes: {masks.name} keeps no values of all classes; "
                "give a folder of label maps (PNG), or leave classes out for background and "
                "foreground"
            )
        if isinstance(classes, str):
            listed = read_class_file(resolve_path(classes, self._folder))
        else:
            try:
                listed = ClassList(check_class_names(classes))
            except ValueError as error:
                raise ConfigError(f"data.source.classes: {error}") from error
        return decoder_from_class_file(listed, [str(file) for file in masks.files])

    def _infer_decoder(self) -> MaskDecoder | None:
        """Return the decoder of label maps in which 255 is unlabelled; None for other masks."""
        masks = self._masks
        if not isinstance(masks, PictureMasks) or masks.still or masks.objects:
            return None
        found = find_unlabelled_value(masks.files)
        if found is None:
            return None
        warn_of_data(
            f"{masks.name}: 255 is unlabelled, as there are other classes beside 0: "
            f"{', '.join(found.names)} (data.source.classes=[NAMES] names them)",
            DataChoice,
        )
        return decoder_from_class_file(found, [str(file) for file in masks.files])


def _find_one_video(value: str) -> VideoInput:
    found = expand_inputs(value, "data.source.video")
    if len(found) > 1:
        raise ConfigError(f"data.source.video={value}: is {len(found)} videos; name one")
    if found[0].address:
        raise ConfigError(
            f"data.source.video={value}: is a stream, which cannot be read twice; save it to a file"
        )
    return found[0]


def _describe_clip(video: VideoInput, info: VideoInfo) -> ClipFacts:
    size = info.height, info.width
    if video.images:
        names = tuple(image.name for image in video.images)
        counted = len(names) if len(names) > 1 else info.frames
        return ClipFacts(size, counted, counted is not None, names if len(names) > 1 else ())
    counted = count_frames(video.path)
    return ClipFacts(size, info.frames if counted is None else counted, counted is not None)
