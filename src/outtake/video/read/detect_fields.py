"""Whether pictures consist of two fields, by what they show."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from itertools import islice

import av
import cv2
import numpy as np
from av.filter import Graph

from outtake.core.types import TimedFrame
from outtake.video.interlacing import FieldOrder

FRAMES = 24
_TIME_BASE = Fraction(1, 25)
# Material of more lines is not interlaced.
MAX_HEIGHT = 1152
_MIN_SHARE, _MIN_FRAMES = 0.7, 8
# Film at a higher rate (3:2 pulldown) repeats a field in two of five frames.
_MAX_REPEATED_SHARE = 0.2
_KINDS = ("single.tff", "single.bff", "single.progressive", "repeated.top", "repeated.bottom")


def detect_fields(frames: Iterable[TimedFrame]) -> FieldOrder | None:
    """Return which field comes first if the first frames of a clip are combed where things move.

    FFmpeg's idet compares the lines of a frame with those of the frames before and after.

    Args:
        frames: Frames of one size, of which the first 24 are looked at.

    Returns:
        None if the frames are whole, if nothing moves, or if only some are combed, as in film that
        was given more frames.
    """
    counts: dict[str, float] = {}
    graph: Graph | None = None
    height = 0
    for number, frame in enumerate(islice(frames, FRAMES)):
        grey = np.ascontiguousarray(cv2.cvtColor(frame.image, cv2.COLOR_RGB2GRAY))
        if graph is None:
            graph, height = _open_graph(*grey.shape), len(grey)
        picture = av.VideoFrame.from_ndarray(grey, format="gray")
        picture.pts = number
        graph.vpush(picture)
        counts = _read_counts(graph) or counts
    if graph is None or height < 4:
        return None
    graph.vpush(None)
    counts = _read_counts(graph) or counts
    top, bottom, whole, *repeated = (counts.get(kind, 0.0) for kind in _KINDS)
    if max(top, bottom) < max(_MIN_FRAMES, _MIN_SHARE * (top + bottom + whole)):
        return None
    if sum(repeated) > _MAX_REPEATED_SHARE * (top + bottom + whole):
        return None
    return "tff" if top > bottom else "bff"


def _open_graph(height: int, width: int) -> Graph:
    graph = Graph()
    kind = av.VideoFormat("gray", width, height)
    begin = graph.add_buffer(width=width, height=height, format=kind, time_base=_TIME_BASE)
    graph.link_nodes(begin, graph.add("idet"), graph.add("buffersink")).configure()
    return graph


def _read_counts(graph: Graph) -> dict[str, float]:
    """Return how many frames were found to be of each kind, as far as the filter has decided."""
    found: dict[str, float] = {}
    while True:
        try:
            metadata = graph.vpull().metadata
        except (av.BlockingIOError, av.EOFError):
            return found
        found = {kind: float(metadata.get(f"lavfi.idet.{kind}", 0)) for kind in _KINDS}
