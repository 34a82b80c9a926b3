"""Which frames of a clip to label next, told by how unsure a network is, without any truth."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

# An empty mask that is sure of itself has no uncertainty: between masks it counts as more than any.
# So does a mask that is nowhere more probable than not, whose doubt has no area to be divided by.
_LOST = 10.0


@dataclass(frozen=True, slots=True)
class FrameState:
    """What a network said of a frame.

    Attributes:
        uncertainty: The sum of min(p, 1 - p) by the area where p is above one half; None without
            such a pixel.
        area: The share of the picture that it took for the object, 0 to 1.
    """

    uncertainty: float | None
    area: float


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A frame to label.

    Attributes:
        frame: Its number, from 0.
        uncertainty: As in :class:`FrameState`.
        why: The reason in words.
    """

    frame: int
    uncertainty: float | None
    why: str


def suggest_frames(
    states: Sequence[FrameState],
    count: int,
    *,
    labelled: Collection[int] = (),
    distance: int = 4,
) -> list[Suggestion]:
    """Return the frames from whose labels most is to be learned, the first one first.

    Where the object is found, frames rank by their uncertainty; one in which no pixel of it is more
    probable than not is as unsure as can be. Where it is lost between frames that show it, the
    middle of the gap comes before all others. Frames near one that is suggested are not, as they
    would teach the same.

    Args:
        states: All frames of the clip, in order.
        count: The largest number of suggestions.
        labelled: The frames that have labels.
        distance: The frames before and after a suggestion in which there is no other.
    """
    gaps = _find_gaps(states, labelled)
    scores = {
        number: _LOST + gaps[number][2] if number in gaps else _score(state)
        for number, state in enumerate(states)
        if number not in labelled
    }
    found: list[Suggestion] = []
    for number in sorted(scores, key=lambda number: (-scores[number], number)):
        if len(found) == count or scores[number] <= 0:
            break
        if all(abs(number - other.frame) > distance for other in found):
            found.append(
                Suggestion(number, states[number].uncertainty, _explain(number, states, gaps))
            )
    return found


def _score(state: FrameState) -> float:
    if state.uncertainty is None:
        return _LOST if state.area > 0 else 0.0
    return state.uncertainty


_Gap = tuple[int, int, float]


def _find_gaps(states: Sequence[FrameState], labelled: Collection[int]) -> dict[int, _Gap]:
    """Return the gap of each frame without an object: its ends, and 1 in the middle to 0 there.

    A gap lies between two frames that show the object. One that ends at a labelled frame without
    it, or at an end of the clip, may be right.
    """
    found: dict[int, _Gap] = {}
    before: int | None = None
    for number, state in enumerate(states):
        if state.area == 0 and number not in labelled:
            continue
        shows = state.area > 0
        if shows and before is not None and number - before > 1:
            middle, half = (before + number) / 2, (number - before) / 2
            for place in range(before + 1, number):
                found[place] = before, number, 1 - abs(place - middle) / half
        before = number if shows else None
    return found


def _explain(number: int, states: Sequence[FrameState], gaps: dict[int, _Gap]) -> str:
    if number in gaps:
        before, after, _ = gaps[number]
        return f"nothing found from frame {before + 1} to {after - 1}, but before and after"
    unsure = states[number].uncertainty
    if unsure is None:
        return "unsure here: no pixel of the object is more probable than not"
    return f"unsure here: {unsure:.0%} of the object's area"
