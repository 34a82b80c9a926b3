"""Open graphs of FFmpeg's filters for decoded frames."""

from __future__ import annotations

from fractions import Fraction

import av
from av.filter import Graph


def open_filter_graph(frame: av.VideoFrame, *filters: tuple[str, str | None]) -> Graph:
    """Return a graph of some filters, one after the other, for frames like this one.

    Args:
        frame: A frame of the size, format and time base of those to come.
        filters: The name and the arguments of each filter.
    """
    graph = Graph()
    begin = graph.add_buffer(
        width=frame.width,
        height=frame.height,
        format=frame.format,
        time_base=frame.time_base or Fraction(1, 90000),
    )
    steps = [graph.add(name, arguments) for name, arguments in filters]
    graph.link_nodes(begin, *steps, graph.add("buffersink")).configure()
    return graph
