"""The tracks beside the picture, taken along packet by packet."""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import Discard, Stream

from outtake.core.errors import VideoError
from outtake.video.read.probe import VideoInfo, find_video_stream, open_container
from outtake.video.write.audio_encoder import AUDIO_CODECS, AudioTrackEncoder
from outtake.video.write.container_tags import drop_stale_tags, track_tags
from outtake.video.write.copied_track import CopiedTrack
from outtake.video.write.pcm_fitter import PcmFitter, needs_fitting

log = logging.getLogger(__name__)

# Seeking is by pictures; the audio and subtitles of that moment lie around it.
_SEEK_MARGIN_S = 10
_MAX_TICKS = 10_000_000


@dataclass(frozen=True, slots=True)
class TrackPlan:
    """How one track beside the picture is kept.

    Attributes:
        index: The number of the track in the source.
        codec: The codec that its sound is encoded as, a key of
            :data:`outtake.video.write.audio_encoder.AUDIO_CODECS`; None if it is copied.
    """

    index: int
    codec: str | None = None


class TrackCopier:
    """Takes sound, subtitles, chapters and metadata of a video along.

    It opens the source a second time and does not read ahead: packets are taken when the
    picture has reached their time, so memory stays small whatever the length.

    Args:
        info: The source.
        target: An open container whose header is not written yet.
        plans: The tracks, as :func:`outtake.video.write.track_plan.plan_tracks` returns them.
        origin_s: The time of the clip that is 0 in the target. If only a part of a source is
            used, what begins before it is left out.

    Attributes:
        picture_tags: What the source says of its picture, such as language and title.

    Raises:
        av.FFmpegError, ValueError: The container does not take a track.
        VideoError: The source cannot be read.
    """

    def __init__(
        self,
        info: VideoInfo,
        target: OutputContainer,
        plans: Sequence[TrackPlan],
        *,
        origin_s: Fraction = Fraction(0),
    ) -> None:
        self._path = info.path
        self._target = target
        self._origin_s = info.origin_s + origin_s
        self._is_part = info.start_s is not None
        self._tracks: dict[int, CopiedTrack | AudioTrackEncoder] = {}
        self._fitters: dict[int, PcmFitter] = {}
        self._last_times: dict[int, tuple[int, int]] = {}  # decoding and end, in the target's unit
        self._moved: Counter[int] = Counter()
        self._refused: Counter[int] = Counter()
        self._next: Packet[Stream] | None = None
        self._source: InputContainer = open_container(info.address or info.path)
        try:
            picture = find_video_stream(self._source, info.path)
            self.picture_tags = track_tags(picture.metadata, of_picture=True)
            for plan in plans:
                self._add_track(info, plan)
        except BaseException:
            self._source.close()
            raise
        target.metadata.update(drop_stale_tags(self._source.metadata))
        chapters = self._selected_chapters(info)
        if chapters:
            with suppress(ValueError):  # a container without chapters
                target.set_chapters(chapters)
        self._packets = self._demux()

    def _add_track(self, info: VideoInfo, plan: TrackPlan) -> None:
        source = self._source.streams[plan.index]
        track: CopiedTrack | AudioTrackEncoder
        if plan.codec is None:
            track = CopiedTrack(info, source, self._target)
        else:
            assert isinstance(source, AudioStream)
            track = AudioTrackEncoder(source, self._target, AUDIO_CODECS[plan.codec])
        track.stream.metadata.update(track_tags(source.metadata))
        track.stream.disposition = source.disposition
        self._tracks[plan.index] = track
        if plan.codec is None and needs_fitting(self._target.format.name, track.stream):
            assert isinstance(track.stream, AudioStream)
            self._fitters[plan.index] = PcmFitter(track.stream)

    def _selected_chapters(self, info: VideoInfo) -> list[Any]:
        """Return the chapters in the target's time, without those outside it."""
        found = []
        for chapter in self._source.chapters():
            base = chapter["time_base"] or Fraction(1, 1000)
            shift = round(self._origin_s / base)
            start, end = max(chapter["start"] - shift, 0), chapter["end"] - shift
            if info.end_s is not None:
                end_s = Fraction(info.end_s) + info.origin_s - self._origin_s
                end = min(end, int(end_s / base))
            if start < end or not (self._is_part or info.end_s is not None):
                found.append({**chapter, "start": start, "end": end})
        return found

    def _demux(self) -> Iterator[Packet[Stream]]:
        if not self._tracks:
            return
        for stream in self._source.streams:
            if stream.index not in self._tracks and stream.type != "attachment":
                stream.discard = Discard.all
        streams = [self._source.streams[index] for index in self._tracks]
        if self._origin_s > 2 * _SEEK_MARGIN_S and self._is_part:
            with suppress(av.FFmpegError):  # then it is read from the start
                self._source.seek(int((self._origin_s - _SEEK_MARGIN_S) * av.time_base))
        end: dict[int, int] = {}  # of the packets so far, for those without a time
        try:
            for packet in self._source.demux(streams):
                if not packet.size:
                    continue
                _complete_times(packet, end.get(packet.stream_index))
                end[packet.stream_index] = (packet.dts or 0) + (packet.duration or 0)
                if self._shift_times(packet):
                    yield packet
        except av.FFmpegError as error:
            raise VideoError(f"{self._path} is damaged: {error}") from error

    def _shift_times(self, packet: Packet[Stream]) -> bool:
        """Shift a packet to the target's time; return False if it lies outside the target."""
        if not self._origin_s:
            return True
        assert packet.time_base and packet.pts is not None and packet.dts is not None
        shift = round(self._origin_s / packet.time_base)
        if packet.pts < shift and self._is_part:
            end = packet.pts + (packet.duration or 0)
            if packet.stream.type != "subtitle" or end <= shift:
                return False
            packet.pts, packet.duration = shift, end - shift  # its text is still to be read
            packet.dts = shift
        packet.pts -= shift
        packet.dts -= shift
        return True

    def copy_until(self, time_s: float) -> None:
        """Copy every packet that starts before ``time_s`` in the target's time."""
        while True:
            packet = self._next or next(self._packets, None)
            if packet is None:
                return
            assert packet.time_base is not None
            if float((packet.dts or 0) * packet.time_base) >= time_s:
                self._next = packet
                return
            self._next = None
            index = packet.stream_index
            for made in self._tracks[index].convert(packet):
                self._mux(index, made)

    def copy_beginning(self, packets: int) -> None:
        """Copy the first packets, and end the tracks there; any error of a muxer is raised.

        Args:
            packets: The number for each sound track; subtitles may be far between.
        """
        missing = Counter({
            index: packets
            for index, track in self._tracks.items()
            if isinstance(track.stream, AudioStream)
        })  # fmt: skip
        while missing.total() and (packet := next(self._packets, None)):
            index = packet.stream_index
            self._target.mux(self._tracks[index].convert(packet))
            missing[index] = max(missing[index] - 1, 0)
        for track in self._tracks.values():
            self._target.mux(track.flush())

    def _mux(self, index: int, packet: Packet[Any]) -> None:
        """Write a packet; sound whose time goes back follows the packet before it."""
        assert packet.time_base and packet.dts is not None
        stream = self._tracks[index].stream
        base = stream.time_base or packet.time_base
        dts = round(packet.dts * packet.time_base / base)
        duration = round((packet.duration or 0) * packet.time_base / base)
        last, end = self._last_times.get(index, (dts - 1, dts))
        if not duration and dts > last and index in self._last_times and stream.type == "audio":
            duration = dts - last  # MP4 would cut off the last packet if it lasted no time
            packet.duration = round(duration * base / packet.time_base)
        if dts <= last and stream.type == "audio" and index not in self._fitters:
            self._moved[index] += 1
            dts = end
            packet.time_base, packet.duration = base, duration
            packet.pts = packet.dts = dts
        self._last_times[index] = dts, dts + max(duration, 1)
        fitter = self._fitters.get(index)
        try:
            for each in fitter.fit(packet) if fitter else (packet,):
                self._target.mux(each)
        except (av.error.ArgumentError, av.error.InvalidDataError):
            self._refused[index] += 1

    def finish(self) -> None:
        """Write what encoders hold back, and log which packets are not as they were."""
        for index, track in self._tracks.items():
            for made in track.flush():
                self._mux(index, made)
            lost, moved = self._refused[index], self._moved[index]
            if isinstance(track, AudioTrackEncoder):
                lost, moved = lost + track.undecodable, moved + track.moved
            for count, what in (
                (lost, "are damaged, and are left out"),
                (moved, "go back in time, and follow the one before"),
            ):
                if count:
                    log.warning(
                        "%s: track %d: packets that %s: %d", self._path.name, index, what, count
                    )
            self._warn_of_fitted_sound(index, track)

    def _warn_of_fitted_sound(self, index: int, track: CopiedTrack | AudioTrackEncoder) -> None:
        fitter = self._fitters.get(index)
        fitted = fitter if fitter else track
        cut_s = fitted.cut_s if isinstance(fitted, PcmFitter | AudioTrackEncoder) else 0.0
        for seconds, what in (
            (
                fitter.silence_s if fitter else 0,
                "silence fill its gaps, which PCM in MP4 and MOV has not",
            ),
            (cut_s, "sound are left out, because it is longer than its times say"),
        ):
            if seconds:
                log.warning("%s: track %d: %.3g s of %s", self._path.name, index, seconds, what)

    def close(self) -> None:
        """Close the source."""
        self._source.close()


def _complete_times(packet: Packet[Stream], end: int | None) -> None:
    """Give a packet that lacks a time the other one, or that at which the last packet ended."""
    known = [time for time in (packet.pts, packet.dts, end, 0) if time is not None]
    if packet.dts is None:  # nothing is reordered in audio and subtitles
        packet.dts = known[0]
    if packet.pts is None:
        packet.pts = packet.dts
    elif packet.pts < packet.dts:  # no muxer takes that
        packet.dts = packet.pts


def has_tracks(info: VideoInfo) -> bool:
    """Return whether there may be tracks to copy: not of a live source or of images."""
    if info.live or info.codec == "images":
        return False
    return info.address is not None or info.path.is_file()


def movie_timescale(info: VideoInfo) -> int:
    """Return the ticks per second that hold the times of every track of a source exactly.

    If those are too many for a container to count, they hold the times of the picture only.
    """
    picture = max(info.time_base.denominator, 1000)
    if not has_tracks(info):
        return picture
    with open_container(info.address or info.path) as source:
        bases = [stream.time_base for stream in source.streams if stream.type == "audio"]
    ticks = math.lcm(picture, *(base.denominator for base in bases if base))
    return ticks if ticks <= _MAX_TICKS else picture


def muxer_options(container: str) -> dict[str, str]:
    """Return the options of a muxer that keep the times of sound as they are."""
    # Audio may start before 0 (encoder delay); Matroska's muxer would move every track for it.
    return {"avoid_negative_ts": "disabled"} if container in ("matroska", "webm") else {}
