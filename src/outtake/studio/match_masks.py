"""Which frame of a clip each mask of another program is of, by the names of both."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath

from outtake.masking.frame_numbers import number_in_name


def match_masks(
    names: Sequence[str], frames: int, frame_names: Sequence[str] = ()
) -> tuple[list[int | str], str | None]:
    """Return the frame of each mask, or one line that says why it has none; and how it was found.

    Where the clip is a folder of pictures, their names are compared, then the numbers in them.
    Otherwise the last number in a name is that of the frame, counted from 0, or from 1 where that
    gives every frame one.

    Args:
        names: The masks.
        frames: The number of frames.
        frame_names: The pictures that are the frames; empty for a video.
    """
    found, how = _match_by_picture(names, frame_names)
    if not found:
        found, how = _match_by_number(names, frames)
    taken: dict[int, str] = {}
    for place, (name, frame) in enumerate(zip(names, found, strict=True)):
        if isinstance(frame, int) and taken.setdefault(frame, name) is not name:
            found[place] = f"is a second mask of frame {frame}, beside {taken[frame]}"
    return found, how


def _match_by_picture(
    names: Sequence[str], frame_names: Sequence[str]
) -> tuple[list[int | str], str | None]:
    stems = {PurePath(name).stem: place for place, name in enumerate(frame_names)}
    found = [stems.get(PurePath(name).stem) for name in names]
    if any(place is not None for place in found):
        missing = "has the name of no picture of the clip"
        return [missing if place is None else place for place in found], None
    numbers = [number_in_name(name) for name in frame_names]
    given = [number_in_name(name) for name in names]
    unique = None not in numbers and len(set(numbers)) == len(numbers)
    if not unique or not given or not set(given) <= set(numbers):
        return [], None
    places = {number: place for place, number in enumerate(numbers)}
    how = f"masks go by the numbers of the pictures ({names[0]} is {frame_names[places[given[0]]]})"
    return [places[number] for number in given], how


def _match_by_number(names: Sequence[str], frames: int) -> tuple[list[int | str], str | None]:
    numbers = [number_in_name(name) for name in names]
    known = {number for number in numbers if number is not None}
    first = int(frames > 1 and known == set(range(1, frames + 1)))
    found: list[int | str] = []
    for number in numbers:
        if number is None:
            found.append("has no number of a frame in its name")
        elif not 0 <= number - first < frames:
            found.append(f"is of frame {number}, and there are 0 to {frames - 1}"[:120])
        else:
            found.append(number - first)
    return found, "masks are numbered from 1" if first else None
