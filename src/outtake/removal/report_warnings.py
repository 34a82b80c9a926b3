"""What a user should know about a removal, each in one line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Column = list[float | None]
Floats = NDArray[np.float64]

SYNTHESISED_SHARE = 0.2
# Of the clips of benchmarks.removal with what is truly behind the holes (26 frames, worst second):
# 0.00 to 0.02 on the tennis clips, tripod, pans, zoom and cuts (32 to 43 dB), 0.04 and 0.07 with
# five layers or a dolly (26 to 32 dB), 0.26 to 0.40 on the drives of CamVid (21 and 24 dB), and
# 0.12 to 0.26 where two layers pass behind a box and a sign is doubled (16 dB). In the street of
# `make demo`, 0.26: people walk behind the cars, and their feet come out in pieces.
DISPUTED_SHARE = 0.1
# On the same clips: -0.4 to 1.0 where the hole has more than 28 dB, 2.1 at the doubled sign, 2.7
# and 2.8 on the drives, 5.1 at the feet; -0.6 to 0.2 where the truth is in the hole.
RIM_STEP_GREY = 1.8
# The tennis clip, rendered streets and a dolly with masks that cover what is removed: 0.00 to 0.01;
# holes before the traffic of CamVid, and cars before people who walk: 0.03 and 0.04. Masks that are
# 5 and 7 px too small in 240 rows: 0.06 and 0.27 (tennis), 0.37 and 0.44 (streets).
RIM_MOVES_SHARE = 0.06
# The network of `make demo` on a street that it has not seen: 0.17 for cars, 0.39 for people (worst
# second). Out of its depth, on a filmed street and on tennis: 6.5 and 9.8; a network of three
# epochs of CamVid: 5.5 to 31.
UNCERTAIN_SHARE = 0.8
# True masks: 0.03 of the tennis clip, 0.13 and 0.09 of CamVid's cars and pedestrians at 15 frames
# per second. The tennis masks with a tenth of them missing: 0.23.
MASK_JUMP_SHARE = 0.15
NEARLY_ALL = 0.9

# By column: the limit, and what is said where the figure is higher.
_HIGH_FIGURES = {
    "disputed": (
        DISPUTED_SHARE,
        "other frames disagree in {mean:.0%} of what was observed, most at {times}: something "
        "there moves by itself or lies at another depth, and the fill may be doubled or blurred",
    ),
    "rim_step": (
        RIM_STEP_GREY,
        "the edge of the fill is harder than the picture beside it by {mean:.1f} grey levels, most "
        "at {times}: it may be visible there; if it is the rim of what was removed, {growth}",
    ),
    "rim_moves_with_hole": (
        RIM_MOVES_SHARE,
        "masks are too small: {mean:.0%} of what lies at their rim moves with what is removed, "
        "most at {times}, and stays in the picture: {growth}",
    ),
    "uncertain_share": (
        UNCERTAIN_SHARE,
        "the network is unsure: its doubts add up to {mean:.1f} times the area of the masks, most "
        "at {times}; masks may be wrong there: {advice}",
    ),
    "mask_jump": (
        MASK_JUMP_SHARE,
        "masks jump: {mean:.0%} of them appears or vanishes from one frame to the next, most at "
        "{times}; masks may be wrong there: {advice}",
    ),
}
_NETWORK_ADVICE = "label two of these frames and train with them"
_MASKS_ADVICE = "look at them"
_NETWORK_GROWTH = "set mask.dilate higher"
_MASKS_GROWTH = "set masks.grow"

# A figure is high where its mean over so long a time is: single frames, such as those at a cut,
# say little.
_WINDOW_S, _MIN_WINDOW_FRAMES = 1.0, 8
# Moments whose holes are smaller than this share of the mean hole are not looked at.
_MIN_HOLE_RATIO = 0.2
# Frames that are named are so far apart: one beside another tells nothing new.
_NAMED_FRAMES, _APART_S, _APART_FRAMES = 2, 0.4, 4
_NAMED_CONTENTS = 3


@dataclass(frozen=True, slots=True)
class HighFigure:
    """A figure that is high for some time.

    Attributes:
        mean: Its mean at the worst time, in which frames count by the size of their holes.
        times_s: The times of the worst frames, one or two, in seconds.
    """

    mean: float
    times_s: tuple[float, ...]


def list_warnings(
    columns: Mapping[str, Column],
    synthesised: float,
    contents: Mapping[str, float],
    *,
    needs_mask: bool,
    from_network: bool,
) -> list[str]:
    """Return the warnings of a removal.

    Args:
        columns: The figures of every frame, by name.
        synthesised: The share of all that was removed that was synthesised.
        contents: The share of the pictures of each class or value that masks were made of.
        needs_mask: Whether the remover has nothing to do without a mask.
        from_network: Whether the masks were made of a network's labels.
    """
    lines = _warn_of_mask_area(columns["hole_share"], contents, from_network) if needs_mask else []
    if synthesised > SYNTHESISED_SHARE:
        worst = int(np.nanargmax(_floats(columns["synthesised"]) * _floats(columns["hole_share"])))
        lines.append(
            f"{synthesised:.0%} of what was removed was observed in no other frame and is "
            f"synthesised, most at {columns['time_s'][worst]:.2f} s; "
            "encode.provenance_video=true shows where"
        )
    advice = _NETWORK_ADVICE if from_network else _MASKS_ADVICE
    growth = _NETWORK_GROWTH if from_network else _MASKS_GROWTH
    for name, (limit, line) in _HIGH_FIGURES.items():
        high = find_high_figure(columns[name], columns["time_s"], columns["hole_share"], limit)
        if high is not None:
            times = " and ".join(f"{time_s:.2f} s" for time_s in high.times_s)
            lines.append(line.format(mean=high.mean, times=times, advice=advice, growth=growth))
    return lines


def list_doubtful_frames(columns: Mapping[str, Column]) -> list[int]:
    """Return the frames in which a figure that is warned of is over its limit, from 0.

    Single frames say little; these are where to look first.

    Args:
        columns: The figures of every frame, by name; those that are missing are not looked at.
    """
    holes = columns.get("hole_share", [])
    found: set[int] = set()
    for name, (limit, _) in _HIGH_FIGURES.items():
        pairs = zip(columns.get(name, []), holes, strict=False)
        found |= {
            number
            for number, (value, hole) in enumerate(pairs)
            if value is not None and hole and value > limit
        }
    return sorted(found)


def _warn_of_mask_area(
    holes: Column, contents: Mapping[str, float], from_network: bool
) -> list[str]:
    shares = _floats(holes)
    if not len(shares) or (shares.max() > 0 and shares.min() <= NEARLY_ALL):
        return []
    made_of = "the labels are" if from_network else "the pictures of the masks hold the values"
    most = sorted(contents.items(), key=lambda pair: -pair[1])[:_NAMED_CONTENTS]
    named = ", ".join(f"{name} ({share:.1%})" for name, share in most)
    said = f"; {made_of} {named}" if named else ""
    if not shares.max():
        return [f"nothing was removed: the masks of all {len(shares)} frames are empty{said}"]
    return [
        f"more than {NEARLY_ALL:.0%} of the picture was removed in every frame, {shares.mean():.1%}"
        f" on average{said}"
    ]


def find_high_figure(
    values: Column, times_s: Column, holes: Column, limit: float
) -> HighFigure | None:
    """Return how high a figure is, and where, if its mean over any second exceeds a limit.

    Args:
        values: The figure of each frame.
        times_s: The time of each frame, ascending, in seconds.
        holes: The share of each frame that is removed.
        limit: The limit.
    """
    known = _floats(values)
    weights = np.where(np.isfinite(known), np.nan_to_num(_floats(holes)), 0.0)
    if not weights.any():
        return None
    known, times = np.nan_to_num(known), _floats(times_s)
    begins, ends = _windows(times)
    sums, sizes = (_window_sums(one, begins, ends) for one in (known * weights, weights))
    least = _MIN_HOLE_RATIO * weights.mean() * (ends - begins)
    means = np.where((sizes > 0) & (sizes >= least), sums / np.maximum(sizes, 1e-12), 0.0)
    if not (means > limit).any():
        return None
    worth = np.where((known > limit) & (weights > 0), known * weights, 0.0)
    worth[~_frames_of(begins[means > limit], ends[means > limit], len(worth))] = 0.0
    found: list[int] = []
    while len(found) < _NAMED_FRAMES and worth.any():
        found.append(int(worth.argmax()))
        near = np.abs(times - times[found[-1]]) < _APART_S
        near[max(0, found[-1] - _APART_FRAMES) : found[-1] + _APART_FRAMES + 1] = True
        worth[near] = 0.0
    return HighFigure(float(means.max()), tuple(float(times[index]) for index in found))


def _windows(times: Floats) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the first frames of windows of a second, and the frames behind their last ones."""
    begins = np.arange(len(times))
    ends = np.maximum(np.searchsorted(times, times + _WINDOW_S), begins + _MIN_WINDOW_FRAMES)
    # The last windows end with the clip, and begin where they are as long as others.
    whole = (ends <= len(times)) | (begins == 0)
    return begins[whole], np.minimum(ends[whole], len(times))


def _frames_of(begins: NDArray[np.intp], ends: NDArray[np.intp], frames: int) -> NDArray[np.bool_]:
    """Return which frames lie in any of some windows, bool (frames,)."""
    changes = np.bincount(begins, minlength=frames + 1) - np.bincount(ends, minlength=frames + 1)
    return np.asarray(np.cumsum(changes)[:frames] > 0)


def _window_sums(values: Floats, begins: NDArray[np.intp], ends: NDArray[np.intp]) -> Floats:
    total = np.concatenate(([0.0], np.cumsum(values)))
    return np.asarray(total[ends] - total[begins])


def _floats(column: Sequence[float | None]) -> Floats:
    return np.array([np.nan if value is None else value for value in column], np.float64)
