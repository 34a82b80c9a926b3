"""Which frames of a clip the masks of files are of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from outtake.core.errors import ConfigError
from outtake.masking.annotation_files import AnnotatedFrame
from outtake.masking.find_mask_files import MaskFiles
from outtake.masking.frame_numbers import (
    FrameNumbers,
    match_names,
    number_in_name,
    number_masks,
    say_missing,
)


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


def number_of_one_mask(files: MaskFiles, clip: ClipFacts) -> int | None:
    """Return the number that the first frame's mask would have where one frame alone has a mask.

    None where there are several masks, or one without a number, which is that of every frame.
    """
    if files.kind != "pictures" or len(files.files) != 1 or clip.frames == 1:
        return None
    number = number_in_name(files.files[0].name)
    if number is None:
        return None
    of_frames = [number_in_name(name) for name in clip.names]
    return number - of_frames.index(number) if number in of_frames else 0


def number_pictures(
    files: MaskFiles, clip: ClipFacts, first: int | None, from_first: bool
) -> FrameNumbers:
    """Return the frames of pictures; that of one alone by its number."""
    names = [file.name for file in files.files]
    of_one = None if first is not None or from_first else number_of_one_mask(files, clip)
    if of_one is None:
        return _number_by_names(names, files.name, clip, first, from_first)
    try:
        return _number_by_names(names, files.name, clip, of_one, from_first)
    except ConfigError as error:
        raise ConfigError(
            f"{error}; a picture that is named itself (masks={files.files[0]}) is the mask of "
            "every frame"
        ) from error


def number_annotations(
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
