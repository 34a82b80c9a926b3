"""Put a source's own packets in the place of those of an encoder, where nothing was changed."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate
from typing import cast

import numpy as np
from av.packet import Packet
from av.video.stream import VideoStream

from outtake.core.errors import OutputError
from outtake.video.read.open_media import find_video_stream, open_container
from outtake.video.write.copy_plan import CopyPlan, SourceRun
from outtake.video.write.encoding_plan import Encoding
from outtake.video.write.parameter_sets import (
    is_idr,
    join_units,
    make_header,
    parse_header,
    split_units,
)
from outtake.video.write.segment_store import SegmentRecord


@dataclass(frozen=True, slots=True)
class CopiedRun:
    """A run of which the packets are copied.

    Attributes:
        run: The run.
        start: The number of its first frame in the output.
    """

    run: SourceRun
    start: int

    @property
    def stop(self) -> int:
        """The number of the frame after its last in the output."""
        return self.start + self.run.frames


def choose_copied_runs(
    plan: CopyPlan | None, records: Sequence[SegmentRecord]
) -> tuple[CopiedRun, ...]:
    """Return the runs of a plan of which every frame is in the output, unchanged."""
    if plan is None:
        return ()
    times = [pts for record in records for pts in record.pts]
    unchanged = np.zeros(len(times), np.bool_)
    starts = accumulate((len(record.pts) for record in records), initial=0)
    for record, begin in zip(records, starts, strict=False):
        for first, stop in record.unchanged:
            unchanged[begin + first : begin + stop] = True
    chosen = []
    for run in plan.runs:
        start = bisect_left(times, run.first)
        place = slice(start, start + run.frames)
        if unchanged[place].all() and run.has_times(times[place]):
            chosen.append(CopiedRun(run, start))
    return tuple(chosen)


def count_copied_frames(runs: Iterable[CopiedRun]) -> int:
    """Return the number of frames in copied runs."""
    return sum(each.run.frames for each in runs)


def merge_header(plan: CopyPlan, encoding: Encoding, encoded: bytes | None) -> bytes:
    """Return the header of a track of copied and encoded packets.

    Args:
        plan: What is copied.
        encoding: The encoding of the others.
        encoded: The header that the encoder gave.
    """
    own, _ = parse_header(encoded)
    return make_header(plan.sets, own, chroma=encoding.chroma, bits=encoding.bit_depth)


def merge_packets(
    encoded: Iterable[tuple[int, Packet[VideoStream]]],
    plan: CopyPlan,
    runs: Sequence[CopiedRun],
) -> Iterator[tuple[int, Packet[VideoStream]]]:
    """Yield the packets of an output in the order of storing, with the numbers of their frames.

    Args:
        encoded: Packets that were encoded, in the order of storing, with the numbers of their
            frames. Those of copied runs are left out.
        plan: What may be copied.
        runs: What is copied, in the order of showing.

    Raises:
        OutputError: The source is no longer what it was.
    """
    copied = _read_runs(plan, runs)
    waiting = list(runs)
    for number, packet in encoded:
        while waiting and number >= waiting[0].stop:
            yield from next(copied)
            del waiting[0]
        if not waiting or number < waiting[0].start:
            yield number, packet
    for packets in copied:
        yield from packets


def _read_runs(
    plan: CopyPlan, runs: Sequence[CopiedRun]
) -> Iterator[list[tuple[int, Packet[VideoStream]]]]:
    """Yield the packets of each run, as those of a track with the lengths of units."""
    if not runs:
        return
    info = plan.info
    origin = int(info.origin_s / info.time_base)
    with open_container(info.path) as container:
        stream = find_video_stream(container, info.path)
        _, length_bytes = parse_header(stream.codec_context.extradata)
        packets = (packet for packet in container.demux(stream) if packet.size)
        for each in runs:
            taken: list[Packet[VideoStream]] = []
            for packet in packets:
                time = None if packet.pts is None else packet.pts - origin
                if taken or time == each.run.first:
                    taken.append(packet)
                if len(taken) == each.run.frames:
                    break
            times = [(packet.pts or 0) - origin for packet in taken]
            ranks = {time: rank for rank, time in enumerate(sorted(times))}
            if not each.run.has_times(sorted(times)):
                raise OutputError(
                    f"{info.path} changed while it was read; run again when it is complete"
                )
            yield [
                (each.start + ranks[time], _copy_packet(packet, length_bytes))
                for time, packet in zip(times, taken, strict=True)
            ]


def _copy_packet(packet: Packet[VideoStream], length_bytes: int | None) -> Packet[VideoStream]:
    units = split_units(bytes(packet), length_bytes)
    made = cast("Packet[VideoStream]", Packet(join_units(units)))
    made.is_keyframe = is_idr(units)
    made.time_base = packet.time_base or Fraction(1, 1000)
    return made
