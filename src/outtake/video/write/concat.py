"""Concatenate segments into one file by copying packets: nothing is encoded again."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import OutputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from outtake.core.errors import OutputError
from outtake.core.types import TimedFrame
from outtake.video.read.probe import VideoInfo
from outtake.video.write.container_tags import (
    choose_tag_flags,
    drop_stale_tags,
    find_lost_tags,
    list_tags,
)
from outtake.video.write.copy_packets import (
    CopiedRun,
    choose_copied_runs,
    count_copied_frames,
    merge_header,
    merge_packets,
)
from outtake.video.write.copy_plan import CopyPlan
from outtake.video.write.encoding_plan import Encoding
from outtake.video.write.matroska_display_size import display_size, set_display_size
from outtake.video.write.matroska_wma import name_wma_tracks
from outtake.video.write.packet_times import PacketTimes
from outtake.video.write.segment_store import SegmentRecord
from outtake.video.write.track_copy import (
    TrackCopier,
    TrackPlan,
    has_tracks,
    movie_timescale,
    muxer_options,
)
from outtake.video.write.video_encoder import (
    VideoTrackEncoder,
    explain_encoder_error,
    nominal_frame_rate,
    tag_video_stream,
)
from outtake.video.write.video_segment_encoder import FRAME_STEP_MS

log = logging.getLogger(__name__)

# Large enough for every encoder, NVENC included.
_REHEARSAL_SIZE_PX = 256


@dataclass(frozen=True, slots=True)
class SegmentMuxer:
    """Muxes the segments of an output into one file.

    Attributes:
        path: The path of the output, for its suffix and for messages.
        info: The source.
        encoding: The encoding of the segments.
        plans: The tracks beside the picture.
        copy_plan: Which packets of the source may be copied; None for none.
    """

    path: Path
    info: VideoInfo
    encoding: Encoding
    plans: tuple[TrackPlan, ...] = ()
    copy_plan: CopyPlan | None = None

    def rehearse(self) -> None:
        """Write a file in memory before any work: a frame, packets of each sound, the trailer.

        What the file has no place for in the way of tags gets a line.

        Raises:
            OutputError: The encoder does not open, or the tracks do not fit together.
        """
        size, container = _REHEARSAL_SIZE_PX, self.encoding.container
        picture = np.full((size, size, 4 if self.encoding.alpha else 3), 128, np.uint8)
        options = muxer_options(container)
        file = io.BytesIO()
        try:
            if flags := choose_tag_flags(self._tags(), container):
                options["movflags"] = flags
            with av.open(file, "w", format=container, container_options=options) as target:
                track = VideoTrackEncoder(target, self.encoding, self.info, size, size)
                tracks = self._open_track_copier(target)
                if tracks:
                    track.stream.metadata.update(tracks.picture_tags)
                target.start_encoding()
                tags = list_tags(target)
                frame = TimedFrame(picture, 0, self.info.time_base)
                for packet in [*track.encode(frame, 0), *track.flush()]:
                    packet.dts = packet.pts  # that of x265 is left to chance after one frame
                    target.mux(packet)
                if tracks:
                    tracks.copy_beginning(1)
                    tracks.close()
        except (av.FFmpegError, OSError, ValueError) as error:
            known = explain_encoder_error(error, self.encoding)
            raise known or OutputError(f"cannot write {self.path}: {error}") from error
        lost = [*find_lost_tags(file, tags)]
        if lost:
            log.warning(
                "%s: tags that a %s file does not keep: %s",
                self.info.path.name, self.path.suffix.lower(), ", ".join(lost),
            )  # fmt: skip

    def _tags(self) -> dict[str, str]:
        """Return the tags of the file as a whole."""
        return drop_stale_tags(self.info.metadata) if has_tracks(self.info) else {}

    def join(
        self, segments: Sequence[tuple[Path, SegmentRecord]], target: Path, *, end: bool
    ) -> tuple[int, float]:
        """Write the frames of the segments and the tracks beside the picture.

        Frames get the times of their records. The decoding time of a packet is the time of the
        frame that lies earlier by the largest reordering of packets; so decoding times rise over
        the whole file, and are never after the time of showing.

        Args:
            segments: The segment files in order, with their records.
            target: The file to write.
            end: Whether the audio continues after the last frame, as in the source.

        Returns:
            The number of frames written, and their duration in seconds.

        Raises:
            OutputError: The file cannot be written, or the segments do not fit together.
        """
        container = self.encoding.container
        try:
            records = [record for _, record in segments]
            copied = choose_copied_runs(self.copy_plan, records)
            times = PacketTimes(
                self.info,
                records,
                reorder=max((each.run.reorder for each in copied), default=0),
                durations_of_decoding=container in ("mp4", "mov"),
            )
            options = _muxer_options(container, self.info, self._tags())
            with av.open(
                f"file:{target}", "w", format=container, container_options=options
            ) as output:
                stream, packets = self._add_video_stream(output, segments, copied)
                tracks = self._open_track_copier(output, times.origin_s)
                if tracks:
                    stream.metadata.update(tracks.picture_tags)
                try:
                    output.start_encoding()
                    for number, packet in packets:
                        times.assign(packet, number)
                        packet.stream = stream
                        if tracks:
                            tracks.copy_until(times.time_s)
                        output.mux(packet)
                    times.check_complete()
                    if tracks:
                        tracks.copy_until(self._end_s(times, end=end))
                        tracks.finish()
                finally:
                    if tracks:
                        tracks.close()
            if container == "matroska":
                name_wma_tracks(target)
            self._store_pixel_aspect(target, segments[0][1])
        except (av.FFmpegError, OSError, ValueError, ArithmeticError, LookupError) as error:
            with suppress(OSError):
                target.unlink(missing_ok=True)
            reason = getattr(error, "strerror", None) or error
            raise OutputError(f"cannot write {self.path}: {reason}") from error
        return times.frames, times.end_s

    def _store_pixel_aspect(self, target: Path, record: SegmentRecord) -> None:
        aspect = self.info.sample_aspect_ratio
        if aspect == 1 or self.encoding.container not in ("matroska", "webm"):
            return
        shown = display_size(record.width, record.height, aspect)
        if not set_display_size(target, *shown):
            log.warning("%s: its pixel aspect of %s is not kept", self.path.name, aspect)

    def _end_s(self, times: PacketTimes, *, end: bool) -> float:
        if not end:
            return times.end_s
        if self.info.end_s is None:
            return float("inf")
        return max(float(Fraction(self.info.end_s) - times.origin_s), times.end_s)

    def _open_track_copier(
        self, target: OutputContainer, origin_s: Fraction = Fraction(0)
    ) -> TrackCopier | None:
        if not has_tracks(self.info):
            return None
        return TrackCopier(self.info, target, self.plans, origin_s=origin_s)

    def _add_video_stream(
        self,
        output: OutputContainer,
        segments: Sequence[tuple[Path, SegmentRecord]],
        copied: Sequence[CopiedRun],
    ) -> tuple[VideoStream, Iterator[tuple[int, Packet[VideoStream]]]]:
        """Add the video track, and return it with all packets and the numbers of their frames."""
        with av.open(f"file:{segments[0][0]}") as first:
            template = first.streams.video[0]
            header = template.codec_context.extradata
            stream = output.add_stream_from_template(template, opaque=True)
            pix_fmt = template.codec_context.pix_fmt or ""
        context = stream.codec_context
        encoded = self._read_segments(segments, header)
        if self.copy_plan and copied:
            context.extradata = merge_header(self.copy_plan, self.encoding, header)
            encoded = merge_packets(encoded, self.copy_plan, copied)
        stream.time_base = self.info.time_base
        context.framerate = nominal_frame_rate(self.info)
        tag_video_stream(stream, self.info, pix_fmt)
        if context.name == "hevc" and self.encoding.container in ("mp4", "mov"):
            context.codec_tag = "hvc1"  # Apple's players know no other
        if self.encoding.alpha:
            stream.metadata["alpha_mode"] = "1"
        if self.info.timecode:
            stream.metadata["timecode"] = self.info.timecode  # of which MOV makes a track
        return stream, encoded

    def _read_segments(
        self, segments: Sequence[tuple[Path, SegmentRecord]], header: bytes | None
    ) -> Iterator[tuple[int, Packet[VideoStream]]]:
        first = 0
        for file, record in segments:
            for packet in self._read_packets(file, header):
                assert packet.pts is not None
                yield first + packet.pts // FRAME_STEP_MS, packet
            first += len(record.pts)

    def count_copied_frames(self, records: Sequence[SegmentRecord]) -> int:
        """Return the number of frames of these segments that are copied from the source."""
        return count_copied_frames(choose_copied_runs(self.copy_plan, records))

    def _read_packets(self, file: Path, header: bytes | None) -> Iterator[Packet[VideoStream]]:
        with av.open(f"file:{file}") as container:
            stream = container.streams.video[0]
            if stream.codec_context.extradata != header:
                raise OutputError(
                    f"segment {file.stem} of {self.path} was encoded with other settings than the "
                    "first; run again with job.resume=false"
                )
            for packet in container.demux(stream):
                if packet.size:
                    yield packet


def _muxer_options(container: str, info: VideoInfo, tags: dict[str, str]) -> dict[str, str]:
    if container in ("mp4", "mov"):
        # The beginning of a track is stored in units of the movie's timescale, milliseconds by
        # default.
        flags = "+faststart" + choose_tag_flags(tags, container)
        return {"movflags": flags, "movie_timescale": str(movie_timescale(info))}
    return muxer_options(container)
