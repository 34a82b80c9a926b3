"""From the files of masks to their sequence: what they mean, and which frames they are of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from outtake.core.errors import ConfigError, VideoError
from outtake.core.printable_text import list_some
from outtake.masking.annotation_files import AnnotatedFrame, read_annotations
from outtake.masking.find_mask_files import MaskFiles
from outtake.masking.frame_numbers import FrameNumbers, number_masks
from outtake.masking.mask_picture import MaskPicture, read_mask_picture
from outtake.masking.mask_source import (
    AnnotatedMasks,
    MaskSource,
    PictureMasks,
    VideoMasks,
    check_size,
    open_mask_video,
)
from outtake.masking.mask_values import MaskMeaning, MaskValueOptions, explain_doubt, find_meaning
from outtake.video.read.safety_limits import SafetyLimits

# As many pictures are looked at, spread over all; more of them where these are of one value.
_SAMPLE = 12
_LARGE_SAMPLE = 96


@dataclass(frozen=True, slots=True)
class ClipFacts:
    """What is known of the frames that masks are for.

    Attributes:
        size: Their height and width; None if unknown.
        frames: How many there are; None if unknown.
        exact: Whether that is not merely an estimate.
        names: The names of the pictures; empty for a video.
        part: Which of the frames are used; None for all.
    """

    size: tuple[int, int] | None = None
    frames: int | None = None
    exact: bool = False
    names: tuple[str, ...] = ()
    part: range | None = None

    def match(self, masks: int) -> ClipFacts:
        """Return the facts of the frames that some masks are of: those used, or else all."""
        if self.part is None or masks != len(self.part):
            return self
        used = self.names[self.part.start : self.part.stop : self.part.step]
        return replace(self, frames=masks, names=used, part=None)


@dataclass(frozen=True, slots=True)
class FoundMasks:
    """Masks, and what is to be said about them.

    Attributes:
        source: The masks.
        notes: What was decided, one line each.
        warnings: What looks wrong, one line each.
    """

    source: MaskSource
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def build_mask_source(
    files: MaskFiles,
    options: MaskValueOptions,
    *,
    clip: ClipFacts | None = None,
    first: int | None = None,
    limits: SafetyLimits | None = None,
) -> FoundMasks:
    """Decide what masks mean, and check that they can be those of a clip.

    Args:
        files: The files, as :func:`outtake.masking.find_mask_files.find_mask_files` finds them.
        options: What the user says about their values.
        clip: What is known of the frames.
        first: The number that the mask of the first frame has in its name; None if not said.
        limits: Bounds on what is read.

    Raises:
        ConfigError: They cannot be the masks of the clip, or an option does not go with them.
        VideoError: They cannot be read.
    """
    clip, limits = clip or ClipFacts(), limits or SafetyLimits()
    if files.objects:
        options = replace(options, ids=None)  # they have said which folders count
    if files.kind == "annotations":
        found = _build_annotated(files, options, clip, first)
    elif any(isinstance(each, str) for each in options.ids or ()):
        raise ConfigError(
            f"masks.ids={list(options.ids or ())}: {files.name} has numbers, not names; give those"
        )
    elif files.kind == "pictures":
        found = _build_pictures(files, options, clip, first, limits)
    else:
        found = _build_video(files, options, limits)
    if clip.size is not None:
        scaled = check_size(found.source, clip.size)
        found = replace(found, notes=(*found.notes, *([scaled] if scaled else ())))
    return found


def _build_pictures(
    files: MaskFiles,
    options: MaskValueOptions,
    clip: ClipFacts,
    first: int | None,
    limits: SafetyLimits,
) -> FoundMasks:
    clip = clip.match(len(files.files))
    still = len(files.files) == 1 and first is None and clip.frames != 1
    numbers = FrameNumbers()
    if not still:
        names = [file.name for file in files.files]
        numbers = number_masks(
            names,
            clip.frames,
            exact=clip.exact,
            first=first,
            frame_names=clip.names,
            where=files.name,
        )
    left_out = None
    if clip.part is not None and not still:
        numbers, kept, left_out = numbers.select_part(len(files.files), clip.part, files.name)
        files = replace(files, files=tuple(files.files[index] for index in kept))
    read, said = files.files, files.name
    if files.objects:
        layers = (each / file.name for file in files.files for each in files.objects)
        read = tuple(layer for layer in layers if layer.is_file())
        names = [each.name for each in files.objects]
        union = f"the union of {len(names)} folders, one for each object"
        said += (
            f": {union if len(names) > 1 else 'the folder of one object'} ({list_some(names, 5)})"
        )
    sample = _sample_pictures(read, limits)
    meaning, notes, warnings = _decide(said, sample, options)
    source = PictureMasks(
        files.name, files.files, sample[0].size, meaning, limits, numbers.frames, still,
        files.objects,
    )  # fmt: skip
    if still:
        notes.append(f"{files.name} is one picture, and the mask of every frame")
    notes += [line for line in (numbers.message, left_out) if line]
    return FoundMasks(source, tuple(notes), tuple(warnings))


def _build_video(files: MaskFiles, options: MaskValueOptions, limits: SafetyLimits) -> FoundMasks:
    assert files.video is not None
    if options.ids is not None:
        raise ConfigError(
            f"masks.ids={list(options.ids)}: {files.name} is a video, which keeps no exact "
            "values; give a folder of PNG masks"
        )
    with open_mask_video(files.video, limits) as pictures:
        sample = _take_until_varied(pictures)
    meaning, notes, warnings = _decide(files.name, sample, options)
    source = VideoMasks(files.name, files.video, sample[0].size, meaning, limits)
    return FoundMasks(source, tuple(notes), tuple(warnings))


def _build_annotated(
    files: MaskFiles, options: MaskValueOptions, clip: ClipFacts, first: int | None
) -> FoundMasks:
    if options.threshold is not None:
        raise ConfigError(
            f"masks.threshold={options.threshold}: {files.name} holds shapes, which have no values"
        )
    read = read_annotations(files.files)
    frames = read.frames
    if not frames:
        raise VideoError(f"{files.name} has no annotated frame")
    numbered, message = _number_annotations(frames, files.name, clip, first)
    still = len(frames) == 1 and numbered is None
    size = next((frame.size for frame in frames if frame.size is not None), clip.size)
    if size is None:
        raise VideoError(
            f"{files.name} has shapes as fractions of a frame whose size is not known; give "
            "polygons in pixels"
        )
    count = sum(len(frame.shapes) for frame in frames)
    note = f"masks: {count} shapes in {len(frames)} frames of {files.name}, filled"
    source = AnnotatedMasks(
        files.name,
        files.files,
        numbered or {0: frames[0]},
        size,
        options.ids,
        options.invert,
        still,
    )
    warnings = [f"masks: {flaw}" for flaw in read.flaws]
    _check_shape_ids(frames, options.ids, files.name)
    if not any(frame.shapes for frame in frames):
        warnings.append("the annotations hold no shape: nothing is removed")
    return FoundMasks(source, (note, *([message] if message else ())), tuple(warnings))


def _number_annotations(
    frames: Sequence[AnnotatedFrame], name: str, clip: ClipFacts, first: int | None
) -> tuple[dict[int, AnnotatedFrame] | None, str | None]:
    """Return the shapes by frame, None where they are those of every frame, and what to say."""
    if all(frame.number is not None for frame in frames):
        numbers = FrameNumbers(tuple((frame.number or 0) - (first or 0) for frame in frames))
        last = max(numbers.frames or ())
        if clip.exact and clip.frames is not None and last >= clip.frames:
            raise ConfigError(
                f"{name} has shapes in frame {last}, and the clip has {clip.frames} frames, from 0"
            )
        missing = None if clip.frames is None else clip.frames - len(set(numbers.frames or ()))
        if missing:
            text = f"{name}: {missing} frames have no shape, and nothing is removed there"
            numbers = replace(numbers, message=text)
    else:
        clip = clip.match(len(frames))
        if len(frames) == 1 and first is None and clip.frames != 1:
            return None, f"{name} is of one picture, and the mask of every frame"
        numbers = number_masks(
            [frame.name for frame in frames], clip.frames, exact=clip.exact, first=first,
            frame_names=clip.names, where=name,
        )  # fmt: skip
    kept: Sequence[int] = range(len(frames))
    said = [numbers.message]
    if clip.part is not None:
        numbers, kept, left_out = numbers.select_part(len(frames), clip.part, name)
        said.append(left_out)
    found = [frames[index] for index in kept]
    numbered = dict(zip(numbers.frames or range(len(found)), found, strict=True))
    return numbered, "; ".join(line for line in said if line) or None


def _check_shape_ids(
    frames: Sequence[AnnotatedFrame], ids: Sequence[int | str] | None, where: str
) -> None:
    """Raise a ConfigError if no shape of any frame has one of the ids or names."""
    shapes = [shape for frame in frames for shape in frame.shapes]
    known = sorted({shape.label or str(shape.number) for shape in shapes})
    if ids is None or not known or any(s.number in ids or s.label in ids for s in shapes):
        return
    raise ConfigError(
        f"masks.ids=[{','.join(map(str, ids))}]: no shape in {where} has one of them; there are "
        f"{list_some(known, 10)}"
    )


def _decide(
    name: str, sample: Sequence[MaskPicture], options: MaskValueOptions
) -> tuple[MaskMeaning, list[str], list[str]]:
    meaning = find_meaning(sample, options)
    doubt = explain_doubt(sample, meaning, options)
    return meaning, [f"masks: {name}: {meaning.describe()}"], [doubt] if doubt else []


def _sample_pictures(files: Sequence[Path], limits: SafetyLimits) -> list[MaskPicture]:
    order = _spread(len(files), _SAMPLE)
    rest = [index for index in _spread(len(files), _LARGE_SAMPLE) if index not in order]
    sample = [read_mask_picture(files[index], limits) for index in order]
    if not any(map(_varies, sample)):
        sample += _take_until_varied(read_mask_picture(files[index], limits) for index in rest)
    return sample


def _spread(count: int, most: int) -> list[int]:
    wanted = min(count, most)
    return sorted({index * (count - 1) // max(wanted - 1, 1) for index in range(wanted)})


def _take_until_varied(pictures: Iterator[MaskPicture]) -> list[MaskPicture]:
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
