"""Interlaced pictures: two fields, taken one after the other, in the lines of one frame."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

import av
from av.filter import Graph

from outtake.core.errors import VideoError
from outtake.video.filter_graph import open_filter_graph

FieldOrder = Literal["tff", "bff"]  # the top or the bottom field is the first; FFmpeg's names
# What a user says of the fields of a clip: what its marks say, no fields, or which is the first.
FieldChoice = Literal["auto", "none", "tff", "bff"]
FIELD_NAMES: dict[FieldOrder, str] = {"tff": "top", "bff": "bottom"}

# FFmpeg's numbers of what a container says about its fields.
CONTAINER_FIELD_ORDER: dict[FieldOrder, int] = {"tff": 2, "bff": 3}


def read_field_order(frame: av.VideoFrame) -> FieldOrder | None:
    """Return which field of a frame comes first; None if it is not marked as interlaced."""
    if not frame.interlaced_frame:
        return None
    chosen = open_filter_graph(frame, ("select", r"eq(interlace_type\,TOPFIRST)"))
    chosen.vpush(frame)
    try:
        chosen.vpull()
    except (av.BlockingIOError, av.EOFError):
        return "bff"
    return "tff"


def explain_fields(path: Path, order: FieldOrder | None, time_s: float) -> str:
    """Return the line about frames of a clip that are marked as interlaced.

    Args:
        path: The clip.
        order: Which field comes first; None if only later frames are marked.
        time_s: The time of the first of these, in seconds.
    """
    if order:
        return (
            f"{path} is interlaced: each picture holds two fields, which a video keeps and a file "
            "of one picture does not; read.deinterlace=bwdif makes whole pictures, and cleaner "
            "masks"
        )
    return (
        f"{path} is interlaced in parts, at first at about {time_s:.3f} s, and is written without "
        "its fields; read.deinterlace=bwdif makes whole pictures"
    )


class FieldMarker:
    """Marks frames as interlaced, which an encoder then stores as two fields.

    Args:
        order: The field that comes first.
    """

    def __init__(self, order: FieldOrder) -> None:
        self._order = order
        self._graph: Graph | None = None

    def mark(self, frame: av.VideoFrame) -> av.VideoFrame:
        """Return a frame, marked; its pixels are shared."""
        if self._graph is None:
            self._graph = open_filter_graph(frame, ("setfield", self._order))
        self._graph.vpush(frame)
        return self._graph.vpull()


def mark_fields(frames: Iterable[av.VideoFrame], order: FieldOrder) -> Iterator[av.VideoFrame]:
    """Yield frames marked as interlaced."""
    marker = FieldMarker(order)
    return (marker.mark(frame) for frame in frames)


def make_progressive(frames: Iterable[av.VideoFrame]) -> Iterator[av.VideoFrame]:
    """Make one progressive frame of each interlaced one, by FFmpeg's bwdif.

    Each frame keeps its own time. What is not marked as interlaced stays as it is.

    Args:
        frames: Decoded frames of one size, in the order of showing.
    """
    graph: Graph | None = None
    waiting: deque[av.VideoFrame] = deque()
    try:
        for frame in frames:
            if graph is None:
                graph = open_filter_graph(frame, ("bwdif", "mode=send_frame:deint=interlaced"))
            waiting.append(frame)
            graph.vpush(frame)
            yield from _pull_frames(graph, waiting)
    except VideoError:  # what came before the damage is good
        if graph is not None:
            yield from _flush(graph, waiting)
        raise
    if graph is not None:
        yield from _flush(graph, waiting)


def _flush(graph: Graph, waiting: deque[av.VideoFrame]) -> Iterator[av.VideoFrame]:
    graph.vpush(None)
    yield from _pull_frames(graph, waiting)


def _pull_frames(graph: Graph, waiting: deque[av.VideoFrame]) -> Iterator[av.VideoFrame]:
    """Yield what has come out of a filter that gives one frame for each, with its own time."""
    while True:
        try:
            made = graph.vpull()
        except (av.BlockingIOError, av.EOFError):
            return
        source = waiting.popleft()
        made.pts, made.time_base, made.duration = source.pts, source.time_base, source.duration
        yield made
