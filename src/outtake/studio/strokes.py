"""What a person does to the labels of a frame, as plain values, and what it does to the pixels.

An action is a line of ``strokes/000017.jsonl``. The page draws the same pixels by the same
integers (``web/raster.js``), so a map that is replayed from its lines is equal bit for bit,
whoever replays it, in any version of any library::

    {"stroke": 3, "tool": "brush", "class": 1, "size": 24, "points": [[10, 12], [40, 12]]}
    {"stroke": 3, "tool": "brush", "class": 1, "size": 9, "points": [[9, 9]], "keep": true}
    {"stroke": 4, "tool": "lasso", "class": 0, "points": [[0, 0], [9, 0], [9, 9]]}
    {"stroke": 5, "tool": "fill", "class": 1, "points": [[4, 4]]}
    {"stroke": 6, "tool": "pixels", "by": "region", "parts": [{"class": 1, "runs": [120, 8]}]}
    {"tool": "undo"}
    {"tool": "redo"}

A line has ``time`` and ``crc32`` too, see :mod:`outtake.studio.frame_labels`.
Lines of one ``stroke`` are undone together. With ``keep`` only what is unlabelled is drawn on.
``pixels`` is what came of regions, of a proposal or of another program: beginnings and lengths of
runs of pixels, counted row by row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from outtake.core.errors import ConfigError
from outtake.core.types import LabelMap

UNLABELLED = 255
Action = dict[str, Any]
# With these the products of the rules below stay below 2^53, which the numbers of a page hold.
MAX_COORDINATE = 20_000
MAX_STEP = 4096
MAX_SIZE = 2048
MAX_POINTS = 20_000
MAX_STROKE = 2**40
_KEYS = {
    "brush": {"stroke", "tool", "class", "size", "points"},
    "lasso": {"stroke", "tool", "class", "points"},
    "fill": {"stroke", "tool", "class", "points"},
    "pixels": {"stroke", "tool", "by", "parts"},
    "undo": {"tool"},
    "redo": {"tool"},
}
_MAY_BE = {tool: {"keep"} for tool in ("brush", "lasso", "fill")}
_SOURCES = ("region", "watershed", "colour", "network", "flow", "previous", "file")
Points = Sequence[Sequence[int]]


def check_action(action: object, size: tuple[int, int], classes: int) -> Action:
    """Return an action of unknown origin with the keys that it needs and no others.

    Args:
        action: What was read of a file or a request.
        size: The height and width of the frame.
        classes: The number of classes.

    Raises:
        ConfigError: It is none, or holds a value that cannot be.
    """
    tool = action.get("tool") if isinstance(action, Mapping) else None
    if not isinstance(action, Mapping) or not isinstance(tool, str) or tool not in _KEYS:
        raise ConfigError(f"an action needs a tool: {', '.join(_KEYS)}")
    if set(action) - {"time"} - _MAY_BE.get(tool, set()) != _KEYS[tool]:
        raise ConfigError(f"{tool}: needs exactly {', '.join(sorted(_KEYS[tool]))}")
    kept = {key: action[key] for key in action if key in _KEYS[tool] | _MAY_BE.get(tool, set())}
    if "keep" in kept and kept["keep"] is not True:
        raise ConfigError("keep: must be true, or be left out")
    if "stroke" in kept:
        _check_whole("stroke", kept["stroke"], 0, MAX_STROKE)
    if "class" in kept:
        _check_class(kept["class"], classes)
    if "size" in kept:
        _check_whole("size", kept["size"], 1, MAX_SIZE)
    if "points" in kept:
        _check_points(tool, kept["points"], size)
    if tool == "pixels":
        if kept["by"] not in _SOURCES:
            raise ConfigError(f"by: must be one of {', '.join(_SOURCES)}")
        _check_parts(kept["parts"], size, classes)
    return kept


def _check_whole(key: str, value: object, least: int, most: int) -> None:
    if type(value) is not int or not least <= value <= most:
        raise ConfigError(f"{key}: must be a whole number from {least} to {most}")


def _check_class(value: object, classes: int) -> None:
    if value != UNLABELLED or type(value) is not int:
        _check_whole("class", value, 0, classes - 1)


def _check_points(tool: str, points: object, size: tuple[int, int]) -> None:
    if not isinstance(points, list) or not 1 <= len(points) <= MAX_POINTS:
        raise ConfigError(f"points: must be a list of 1 to {MAX_POINTS} pairs")
    for point in points:
        if not isinstance(point, list) or len(point) != 2:
            raise ConfigError("points: must be pairs [x, y]")
        for value in point:
            _check_whole("points", value, -MAX_COORDINATE, MAX_COORDINATE)
    if tool == "fill" and (
        len(points) != 1 or not (0 <= points[0][0] < size[1] and 0 <= points[0][1] < size[0])
    ):
        raise ConfigError("fill: needs one point inside the frame")
    if tool == "brush":
        for (x0, y0), (x1, y1) in pairwise(points):
            if max(abs(x1 - x0), abs(y1 - y0)) > MAX_STEP:
                raise ConfigError(f"points: two that follow may be {MAX_STEP} px apart")


def _check_parts(parts: object, size: tuple[int, int], classes: int) -> None:
    if not isinstance(parts, list) or not 1 <= len(parts) <= 256:
        raise ConfigError("parts: must be a list of 1 to 256 classes with their runs")
    pixels = size[0] * size[1]
    for part in parts:
        if not isinstance(part, dict) or set(part) != {"class", "runs"}:
            raise ConfigError("parts: each needs class and runs")
        _check_class(part["class"], classes)
        runs = part["runs"]
        if not isinstance(runs, list) or len(runs) % 2 or not runs:
            raise ConfigError("runs: must be beginnings and lengths, in turn")
        for value in runs:
            _check_whole("runs", value, 0, pixels)
        end = 0
        for start, length in zip(runs[::2], runs[1::2], strict=True):
            if start < end or length < 1 or start + length > pixels:
                raise ConfigError("runs: must come in order, apart, and lie in the frame")
            end = start + length


def apply_action(labels: LabelMap, action: Action) -> None:
    """Draw an action that was checked into a map, in place; ``undo`` and ``redo`` draw nothing."""
    tool = action["tool"]
    if action.get("keep"):
        before = labels.copy()
        apply_action(labels, {key: value for key, value in action.items() if key != "keep"})
        np.copyto(labels, before, where=before != UNLABELLED)
    elif tool == "brush":
        points = action["points"]
        for start, end in zip(points, points[1:] or points, strict=len(points) == 1):
            _draw_capsule(labels, start, end, action["size"], action["class"])
    elif tool == "lasso":
        _fill_polygon(labels, action["points"], action["class"])
    elif tool == "fill":
        _fill_area(labels, action["points"][0], action["class"])
    elif tool == "pixels":
        for part in action["parts"]:
            for start, length in zip(part["runs"][::2], part["runs"][1::2], strict=True):
                labels.reshape(-1)[start : start + length] = part["class"]


def _draw_capsule(
    labels: LabelMap, start: Sequence[int], end: Sequence[int], size: int, value: int
) -> None:
    """Draw all pixels that lie within half the size of the line between two pixels."""
    (x0, y0), (x1, y1) = start, end
    height, width = labels.shape
    reach = size // 2
    left, right = max(min(x0, x1) - reach, 0), min(max(x0, x1) + reach, width - 1)
    top, bottom = max(min(y0, y1) - reach, 0), min(max(y0, y1) + reach, height - 1)
    if left > right or top > bottom:
        return
    x = np.arange(left, right + 1, dtype=np.int64)[None]
    y = np.arange(top, bottom + 1, dtype=np.int64)[:, None]
    dx, dy, limit = x1 - x0, y1 - y0, size * size
    near = 4 * ((x - x0) ** 2 + (y - y0) ** 2) <= limit
    if dx or dy:
        near |= 4 * ((x - x1) ** 2 + (y - y1) ** 2) <= limit
        along, length = (x - x0) * dx + (y - y0) * dy, dx * dx + dy * dy
        aside = (x - x0) * dy - (y - y0) * dx
        near |= (along > 0) & (along < length) & (4 * aside * aside <= limit * length)
    labels[top : bottom + 1, left : right + 1][near] = value


def _fill_polygon(labels: LabelMap, points: Points, value: int) -> None:
    """Fill what an odd number of edges lies left of, or on."""
    height, width = labels.shape
    turns: NDArray[np.int32] = np.zeros((height, width + 1), np.int32)
    for (x0, y0), (x1, y1) in zip(points, [*points[1:], points[0]], strict=True):
        if y0 == y1:
            continue
        if y0 > y1:
            x0, y0, x1, y1 = x1, y1, x0, y0
        rows = np.arange(max(y0, 0), min(y1, height), dtype=np.int64)
        # The first whole x that is not left of the edge.
        first = x0 - (-(rows - y0) * (x1 - x0)) // (y1 - y0)
        np.add.at(turns, (rows, np.clip(first, 0, width)), 1)
    inside = np.cumsum(turns, axis=1)[:, :width] % 2 == 1
    labels[inside] = value


def _fill_area(labels: LabelMap, start: Sequence[int], value: int) -> None:
    """Fill the pixels of one value that hang together with one of them, by four neighbours."""
    same = np.zeros((labels.shape[0] + 2, labels.shape[1] + 2), np.uint8)
    flags = 4 | cv2.FLOODFILL_MASK_ONLY | cv2.FLOODFILL_FIXED_RANGE | (1 << 8)
    cv2.floodFill(labels, same, (start[0], start[1]), 0, 0, 0, flags)
    labels[same[1:-1, 1:-1] == 1] = value


@dataclass
class History:
    """The actions of a frame in the order in which they came, and which of them count now.

    Attributes:
        lines: The number of actions, ``undo`` and ``redo`` among them.
        done: The strokes that count, each a list of actions.
        undone: The strokes that were undone, the newest last.
        last_stroke: The highest number of a stroke so far.
    """

    lines: int = 0
    done: list[list[Action]] = field(default_factory=list)
    undone: list[list[Action]] = field(default_factory=list)
    last_stroke: int = -1

    def copy(self) -> History:
        """Return one that can be changed without this."""
        done = [*self.done[:-1], list(self.done[-1])] if self.done else []
        return History(self.lines, done, list(self.undone), self.last_stroke)

    def check_next(self, action: Action) -> None:
        """Raise a ConfigError if an action cannot come now; see :meth:`add`."""
        if action["tool"] in ("undo", "redo"):
            if not (self.done if action["tool"] == "undo" else self.undone):
                raise ConfigError(f"{action['tool']}: there is nothing to {action['tool']}")
        elif action["stroke"] <= self.last_stroke and not self._goes_on(action):
            raise ConfigError("stroke: must be a higher number than those before, or the last")

    def add(self, action: Action) -> bool:
        """Add the next action; return whether it only draws over what is there."""
        self.lines += 1
        if action["tool"] == "undo":
            self.undone.append(self.done.pop())
            return False
        if action["tool"] == "redo":
            self.done.append(self.undone.pop())
            return False
        if self._goes_on(action):
            self.done[-1].append(action)
        else:
            self.done.append([action])
            self.undone.clear()
        self.last_stroke = action["stroke"]
        return True

    def _goes_on(self, action: Action) -> bool:
        begun = bool(self.done) and self.done[-1][0]["stroke"] == action["stroke"]
        return begun and not self.undone

    def draw(self, size: tuple[int, int]) -> LabelMap:
        """Return the map that the strokes give, uint8 (H, W), 255 where nothing is labelled."""
        labels = np.full(size, UNLABELLED, np.uint8)
        for stroke in self.done:
            for action in stroke:
                apply_action(labels, action)
        return labels


def find_runs(labels: LabelMap, before: LabelMap) -> list[dict[str, Any]]:
    """Return the parts of a ``pixels`` action that turns one map into another; empty if equal."""
    changed = labels != before
    parts = []
    for value in np.unique(labels[changed]):
        wanted = np.concatenate([[False], ((labels == value) & changed).ravel(), [False]])
        edges = np.flatnonzero(wanted[1:] != wanted[:-1])
        runs = np.stack([edges[::2], edges[1::2] - edges[::2]], axis=1).ravel()
        parts.append({"class": int(value), "runs": runs.tolist()})
    return parts
