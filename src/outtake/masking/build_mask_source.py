"""From the files of masks to their sequence: what they mean, and which frames they are of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from outtake.core.errors import ConfigError, VideoError
from outtake.core.printable_text import list_some
from outtake.masking.annotation_files import AnnotatedFrame, read_annotations
from outtake.masking.find_mask_files import MaskFiles
from outtake.masking.frame_numbers import (
    FrameNumbers,
    match_names,
    number_in_name,
    number_masks,
    say_missing,
)
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


def _number_by_names(
    names: Sequence[str], where: str, clip: ClipFacts, first: int | None, from_first: bool
) -> FrameNumbers:
    """Return the frames of masks by their names; see :func:`build_mask_source`."""
    return number_masks(
        names,
        clip.frames,
        exact=clip.exact,
        first=first,
        from_first=from_first,
        frame_names=clip.names,
        where=where,
    )


def _build_pictures(
    files: MaskFiles,
    options: MaskValueOptions,
    clip: ClipFacts,
    first: int | None,
    from_first: bool,
    limits: SafetyLimits,
) -> FoundMasks:
    clip = clip.match(len(files.files))
    still = len(files.files) == 1 and first is None and clip.frames != 1
    numbers = FrameNumbers()
    if not still:
        names = [file.name for file in files.files]
        numbers = _number_by_names(names, files.name, clip, first, from_first)
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
    numbered, message = _number_annotations(frames, files.name, clip, first, from_first)
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
    frames: Sequence[AnnotatedFrame],
    name: str,
    clip: ClipFacts,
    first: int | None,
    from_first: bool,
) -> tuple[dict[int, AnnotatedFrame] | None, str | None]:
    """Return the shapes by frame, None where they are those of every frame, and what to say."""
    names = [frame.name for frame in frames]
    ids = [frame.number for frame in frames if frame.number is not None]
    has_ids = len(ids) == len(frames) and first is None
    of_part = clip.match(len(frames))
    if len(frames) == 1 and not has_ids and first is None and of_part.frames != 1:
        return None, f"{name} is of one picture, and the mask of every frame"
    said: list[str | None] = []
    matched = match_names(names, clip.names) if has_ids else None
    if matched is not None:
        missing = say_missing(names, matched, clip.frames, clip.exact, name)
        numbers = FrameNumbers(matched, missing)
    elif has_ids and _count_by_ids(names, ids, of_part, name):
        numbers = _number_by_ids(names, ids, clip, name)
    else:
        clip = of_part
        numbers = _number_by_names(names, name, clip, first, from_first)
    said.append(numbers.message)
    kept: Sequence[int] = range(len(frames))
    if clip.part is not None:
        numbers, kept, left_out = numbers.select_part(len(frames), clip.part, name)
        said.append(left_out)
    found = [frames[index] for index in kept]
    numbered = dict(zip(numbers.frames or range(len(found)), found, strict=True))
    return numbered, "; ".join(line for line in said if line) or None


def _count_by_ids(names: Sequence[str], ids: Sequence[int], clip: ClipFacts, where: str) -> bool:
    """Return whether annotations are of the frames of their ids: names say the same, or nothing."""
    if not clip.exact or ids == [number_in_name(name) for name in names]:
        return True
    try:
        number_masks(names, clip.frames, exact=True, frame_names=clip.names, where=where)
    except ConfigError:
        return True
    return False


def _number_by_ids(
    names: Sequence[str], ids: Sequence[int], clip: ClipFacts, where: str
) -> FrameNumbers:
    """Return the ids as numbers of frames.

    Raises:
        ConfigError: One is beyond the clip, or of two pictures.
    """
    known: dict[int, str] = {}
    for number, each in zip(ids, names, strict=True):
        other = known.setdefault(number, each)
        if other != each:
            raise ConfigError(
                f"{where}: {other} and {each} have the id {number}, so that nobody can tell which "
                "frames they are; give the file of one task"
            )
    last = max(ids)
    if clip.exact and clip.frames is not None and last >= clip.frames:
        raise ConfigError(
            f"{where} has shapes in frame {last}, and the clip has {clip.frames} frames, from 0"
        )
    said = []
    if ids != [number_in_name(name) for name in names]:
        said.append(
            f"{where}: the names of its pictures (as {names[0]}) do not say which frames they are; "
            "their ids are taken for the numbers of frames, from 0"
        )
    missing = None if clip.frames is None else clip.frames - len(ids)
    if missing:
        said.append(f"{where}: {missing} frames have no shape, and nothing is removed there")
    return FrameNumbers(tuple(ids), "; ".join(said) or None)


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
