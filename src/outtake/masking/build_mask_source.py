"""From the files of masks to their sequence, and what their values mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from outtake.core.errors import ConfigError, VideoError
from outtake.core.printable_text import list_some
from outtake.masking.annotation_files import AnnotatedFrame, read_annotations
from outtake.masking.find_mask_files import MaskFiles
from outtake.masking.frame_numbers import FrameNumbers, number_in_name
from outtake.masking.mask_numbers import ClipFacts, number_annotations, number_pictures
from outtake.masking.mask_picture import MaskPicture
from outtake.masking.mask_sample import sample_pictures, take_until_varied
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
    from_first: bool = False,
    limits: SafetyLimits | None = None,
) -> FoundMasks:
    """Decide what masks mean, and check that they can be those of a clip.

    Args:
        files: The files, as :func:`outtake.masking.find_mask_files.find_mask_files` finds them.
        options: What the user says about their values.
        clip: What is known of the frames.
        first: The number that the mask of the first frame has in its name; None if not said.
        from_first: Whether frames are counted from that of the first mask; numbers of annotations
            that are not those of names stay as they are.
        limits: Bounds on what is read.

    Raises:
        ConfigError: They cannot be the masks of the clip, or an option does not go with them.
        VideoError: They cannot be read.
    """
    clip, limits = clip or ClipFacts(), limits or SafetyLimits()
    if files.objects:
        options = replace(options, ids=None)  # they have said which folders count
    if files.kind == "annotations":
        found = _build_annotated(files, options, clip, first, from_first)
    elif any(isinstance(each, str) for each in options.ids or ()):
        raise ConfigError(
            f"masks.ids={list(options.ids or ())}: {files.name} has numbers, not names; give those"
        )
    elif files.kind == "pictures":
        found = _build_pictures(files, options, clip, first, from_first, limits)
    else:
        found = _build_video(files, options, limits)
    if files.unused_files:
        text = (
            f"{len(files.unused_files)} files beside the masks of {files.name} are no pictures and "
            f"are left out (as {files.unused_files[0].name})"
        )
        found = replace(found, notes=(*found.notes, text))
    if clip.size is not None:
        scaled = check_size(found.source, clip.size)
        found = replace(found, notes=(*found.notes, *([scaled] if scaled else ())))
    return found


def _build_pictures(
    files: MaskFiles,
    options: MaskValueOptions,
    clip: ClipFacts,
    first: int | None,
    from_first: bool,
    limits: SafetyLimits,
) -> FoundMasks:
    clip = clip.match(len(files.files))
    still = files.is_still and first is None and clip.frames != 1
    numbers = FrameNumbers()
    if not still:
        numbers = number_pictures(files, clip, first, from_first)
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
    sample = sample_pictures(read, limits)
    meaning, notes, warnings = _decide(said, sample, options)
    source = PictureMasks(
        files.name, files.files, sample[0].size, meaning, limits, numbers.frames, still,
        files.objects,
    )  # fmt: skip
    if still:
        number = number_in_name(files.files[0].name) if files.named_itself else None
        other = (
            f"; if it is of frame {number} alone, name its folder: masks={files.files[0].parent}"
        )
        notes.append(
            f"{files.name} is one picture, and the mask of every frame"
            + (other if number is not None else "")
        )
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
        sample = take_until_varied(pictures)
    meaning, notes, warnings = _decide(files.name, sample, options)
    source = VideoMasks(files.name, files.video, sample[0].size, meaning, limits)
    return FoundMasks(source, tuple(notes), tuple(warnings))


def _build_annotated(
    files: MaskFiles,
    options: MaskValueOptions,
    clip: ClipFacts,
    first: int | None,
    from_first: bool,
) -> FoundMasks:
    if options.threshold is not None:
        raise ConfigError(
            f"masks.threshold={options.threshold}: {files.name} holds shapes, which have no values"
        )
    read = read_annotations(files.files)
    frames = read.frames
    if not frames:
        raise VideoError(f"{files.name} has no annotated frame")
    numbered, message = number_annotations(frames, files.name, clip, first, from_first)
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
