"""Which frame each mask belongs to: one after the other, or by their names and numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath, PureWindowsPath

from outtake.core.errors import ConfigError

_LAST_NUMBER = re.compile(r"(\d+)(?!.*\d)")


@dataclass(frozen=True, slots=True)
class FrameNumbers:
    """The frames of masks.

    Attributes:
        frames: The frame of each mask, counted from 0; None for one mask for each frame.
        message: What was found, for the user; None where there is nothing to say.
    """

    frames: tuple[int, ...] | None = None
    message: str | None = None

    def select_part(
        self, count: int, part: range, where: object
    ) -> tuple[FrameNumbers, list[int], str | None]:
        """Number masks of a whole clip within a part of it.

        Args:
            count: How many masks there are.
            part: The frames that are used.
            where: The place of the masks, for messages.

        Returns:
            The numbers of those masks that are of the part, which these masks are, and what is left
            out, for the user.

        Raises:
            ConfigError: None is.
        """
        frames = range(count) if self.frames is None else self.frames
        kept = [index for index, frame in enumerate(frames) if frame in part]
        if not kept:
            shown = f", {part.start} to {part[-1]} of the clip, counted from 0" if part else ""
            raise ConfigError(
                f"{where} has no mask of the frames that read.start, read.end and read.every "
                f"select{shown}"
            )
        if self.frames is None:
            return self, kept, None
        inside = FrameNumbers(tuple(part.index(frames[index]) for index in kept), self.message)
        dropped = count - len(kept)
        text = f"{dropped} masks of {where} are of frames that are not read, and are left out"
        return inside, kept, text if dropped else None


def number_in_name(name: str) -> int | None:
    """Return the last number in a file's name without its suffix; None if there is none."""
    found = _LAST_NUMBER.search(PurePath(name).stem)
    return int(found[1]) if found else None


def match_names(names: Sequence[str], frame_names: Sequence[str]) -> tuple[int, ...] | None:
    """Return the frame whose name each mask has, its folder and suffix apart.

    None where a mask has the name of no frame, or two masks or frames share one.

    Args:
        names: The masks.
        frame_names: The frames; empty where these have no names.
    """
    # Tools write names of either system, and these split both.
    stems = [PureWindowsPath(name).stem for name in names]
    places = {PureWindowsPath(name).stem: place for place, name in enumerate(frame_names)}
    if len(places) < len(frame_names) or len({*stems}) < len(stems) or not {*stems} <= {*places}:
        return None
    return tuple(places[stem] for stem in stems)


def number_masks(
    names: Sequence[str],
    frame_count: int | None,
    *,
    exact: bool,
    first: int | None = None,
    from_first: bool = False,
    frame_names: Sequence[str] = (),
    where: object = "masks",
) -> FrameNumbers:
    """Find out which frame each mask belongs to.

    Args:
        names: The masks, in natural order.
        frame_count: How many frames there are; None if unknown.
        exact: Whether ``frame_count`` is not merely an estimate.
        first: The number that the mask of the first frame has in its name; None if not said.
        from_first: Whether frames are counted from that of the first mask, instead of from the
            first frame.
        frame_names: The names of the frames, where these are images.
        where: The place of the masks, for messages.

    Raises:
        ConfigError: The masks cannot be those of the frames.
    """
    numbers = [number_in_name(name) for name in names]
    known = [number for number in numbers if number is not None]
    distinct = len(set(known)) == len(names)
    if first is not None and not distinct:
        raise ConfigError(
            f"masks.first={first}: the masks in {where} need numbers in their names, each once, "
            f"unlike {_culprit(names, numbers)}"
        )
    matched = match_names(names, frame_names) if first is None else None
    if matched is not None and matched != tuple(range(len(frame_names))):
        return FrameNumbers(matched, say_missing(names, matched, frame_count, exact, where))
    if first is None and frame_count == len(names):
        return FrameNumbers()
    if first is None and distinct and frame_names:
        of_frames = [number_in_name(name) for name in frame_names]
        if set(known) < set(of_frames) and len(set(of_frames)) == len(frame_names):
            found = tuple(of_frames.index(number) for number in known)
            return FrameNumbers(found, say_missing(names, found, frame_count, exact, where))
    gaps = distinct and max(known) - min(known) >= len(names)
    if first is None and not gaps:
        if exact and frame_count is not None:
            raise ConfigError(_explain_count(names, known if distinct else [], frame_count, where))
        return FrameNumbers()
    if first is None and from_first:
        by = (
            f"{where} has {len(names)} masks by the numbers in their names, counted from {names[0]}"
        )
        return FrameNumbers(tuple(number - min(known) for number in known), by)
    base = first if first is not None else _guess_first(known, frame_count)
    frames = tuple(number - base for number in known)
    for name, frame in zip(names, frames, strict=True):
        if frame < 0 or (exact and frame_count is not None and frame >= frame_count):
            raise ConfigError(
                f"{where}: {name} would be the mask of frame {frame}, and the clip has "
                f"{frame_count} frames, from 0; masks.first=NUMBER says which number the mask of "
                "the first frame has"
            )
    return FrameNumbers(frames, say_missing(names, frames, frame_count, exact, where))


def _guess_first(known: Sequence[int], frame_count: int | None) -> int:
    """Return 1 for numbers that count from 1 to the end, else 0."""
    return int(min(known) > 0 and max(known) == frame_count)


def _culprit(names: Sequence[str], numbers: Sequence[int | None]) -> str:
    return next(
        name
        for name, number in zip(names, numbers, strict=True)
        if number is None or numbers.count(number) > 1
    )


def say_missing(
    names: Sequence[str],
    frames: Sequence[int],
    frame_count: int | None,
    exact: bool,
    where: object,
) -> str | None:
    """Return how many frames have no mask, for the user; None where all have one."""
    missing = None if frame_count is None else frame_count - len(frames)
    if exact and not missing:
        return None
    count = "an unknown number of" if missing is None else f"{'' if exact else 'about '}{missing}"
    by = "their names" if number_in_name(names[0]) is None else "the numbers in their names"
    return (
        f"{where} has {len(names)} masks by {by} ({names[0]} is frame "
        f"{frames[0]}, counted from 0); {count} frames have none, and nothing is removed there"
    )


def _explain_count(
    names: Sequence[str], known: Sequence[int], frame_count: int, where: object
) -> str:
    """Say what to do about a number of masks; ``known`` are their numbers, if they differ."""
    text = f"{where} has {len(names)} masks, and the clip {frame_count} frames; give one for each"
    if len(names) > frame_count:
        return f"{text}, or select their part with read.start and read.end"
    if not known:
        return text
    counts = [base for base in (0, 1) if base <= min(known) and max(known) - base < frame_count]
    said = [f"masks.first={base} if their names count frames from {base}" for base in counts]
    said = said or ["masks.first=NUMBER, that of the first frame's mask"]
    return (
        f"{text}, or say which frames have one: {', '.join(said)}, or masks.offset=FRAME if they "
        "are of frames in a row from that one on, counted from 0"
    )
