"""Decide, before any work, what becomes of each track beside the picture."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from dataclasses import dataclass

import av
from av.container import InputContainer
from av.stream import Discard, Disposition, Stream

from outtake.core.errors import OutputError, VideoError
from outtake.video.read.probe import VideoInfo, find_video_stream, open_container
from outtake.video.write.audio_encoder import AUDIO_CODECS, AudioChoice, automatic_codec
from outtake.video.write.track_copy import TrackCopier, TrackPlan, has_tracks, muxer_options

log = logging.getLogger(__name__)

# Some muxers take the first packet of a track and refuse one that follows.
_TRIED_PACKETS = 8
_UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class _Track:
    index: int
    kind: str
    codec: str
    is_empty: bool


def plan_tracks(
    info: VideoInfo, container: str, suffix: str, audio: AudioChoice
) -> tuple[TrackPlan, ...]:
    """Return how each track beside the picture goes into a target, and log what is not kept.

    Each track is tried in a file of its own in memory, with its first packets and the trailer,
    because what a container lists and what its muxer takes are not the same.

    Args:
        info: The source.
        container: FFmpeg's name of the target's container.
        suffix: The suffix of the target, for messages.
        audio: What becomes of sound; see ``encode.audio``.

    Raises:
        OutputError: The container does not take the sound in the way that is asked for.
        VideoError: The source cannot be read.
    """
    if not has_tracks(info):
        return ()
    with open_container(info.address or info.path) as source:
        picture = find_video_stream(source, info.path)
        streams = [
            stream
            for stream in source.streams
            if stream.index != picture.index and (audio != "none" or stream.type != "audio")
        ]
        # FFmpeg itself reads the text tracks in which MOV keeps chapters, and then hides them.
        of_chapters = {
            stream.index
            for stream in streams
            if stream.type == "data" and stream.discard == Discard.all
        }
        empty = _find_empty_tracks(source, [each for each in streams if each.type == "audio"])
        chapters = bool(source.chapters())
        tracks = [
            _Track(stream.index, _name_kind(stream), _codec_name(stream), stream.index in empty)
            for stream in streams
            # The timecode goes with the picture, and chapters with the file.
            if not _is_timecode(stream) and not (chapters and stream.index in of_chapters)
        ]
    if audio != "copy":
        tracks = _leave_unknown_out(info, tracks)
    plans = (_plan_track(info, track, container, suffix, audio) for track in tracks)
    return tuple(plan for plan in plans if plan is not None)


def _is_timecode(stream: Stream) -> bool:
    return stream.type == "data" and "timecode" in stream.metadata


def _name_kind(stream: Stream) -> str:
    if stream.type == "video" and stream.disposition & Disposition.attached_pic:
        return "cover art"
    return str(stream.type)


def _codec_name(stream: Stream) -> str:
    context = stream.codec_context
    return context.codec.canonical_name if context else _UNKNOWN


def _leave_unknown_out(info: VideoInfo, tracks: list[_Track]) -> list[_Track]:
    """Return the tracks without sound that FFmpeg does not know, if there is other sound to keep.

    Telephones record spatial sound beside the usual one, which all players take.
    """
    sounds = [track for track in tracks if track.kind == "audio"]
    unknown = [track for track in sounds if track.codec == _UNKNOWN]
    if not any(track not in unknown and not track.is_empty for track in sounds):
        return tracks
    for track in unknown:
        log.warning(
            "%s: its audio track %d is of a codec that FFmpeg does not know, and is left out; "
            "its other sound is kept", info.path.name, track.index,
        )  # fmt: skip
    return [track for track in tracks if track not in unknown]


def _find_empty_tracks(source: InputContainer, streams: list[Stream]) -> set[int]:
    """Return which tracks hold no packet; reading ends as soon as each has had one."""
    silent = {stream.index for stream in streams}
    for stream in source.streams:
        if stream.index not in silent and stream.type != "attachment":
            stream.discard = Discard.all
    try:
        for packet in source.demux(streams) if streams else ():
            if packet.size:
                silent.discard(packet.stream_index)
            if not silent:
                break
    except av.FFmpegError as error:
        raise VideoError(f"{source.name} is damaged: {error}") from error
    return silent


def _plan_track(
    info: VideoInfo, track: _Track, container: str, suffix: str, audio: AudioChoice
) -> TrackPlan | None:
    """Return how a track is kept; None if it is left out."""
    clip = info.path.name
    if track.kind not in ("audio", "subtitle"):
        what = track.kind if track.kind == "cover art" else f"{track.kind} track"
        log.warning("%s: its %s is not copied", clip, what)
        return None
    if track.is_empty:
        log.warning("%s: its %s audio track is empty and is left out", clip, track.codec)
        return None
    plans = _possible_plans(track, container, audio)
    plan = next((plan for plan in plans if _takes(container, info, plan)), None)
    if plan is None and track.kind == "audio":
        raise _refused_error(clip, track.codec, suffix, audio)
    if plan is None:
        log.warning("%s: a %s file cannot hold its %s subtitles", clip, suffix, track.codec)
    elif plan.codec and audio == "auto":
        log.warning(
            "%s: a %s file cannot hold its %s audio, which is encoded as %s",
            clip, suffix, track.codec, plan.codec,
        )  # fmt: skip
    return plan


def _possible_plans(track: _Track, container: str, audio: AudioChoice) -> Iterator[TrackPlan]:
    """Yield the ways in which a track may be kept, the preferred one first."""
    if track.kind == "subtitle" or audio in ("auto", "copy", track.codec):
        yield TrackPlan(track.index)
    if track.kind == "audio" and audio == "auto":
        yield TrackPlan(track.index, automatic_codec(container, track.codec))
    elif track.kind == "audio" and audio in AUDIO_CODECS:
        yield TrackPlan(track.index, audio)


def _takes(container: str, info: VideoInfo, plan: TrackPlan) -> bool:
    """Return whether a container takes the beginning of a track."""
    options = muxer_options(container)
    try:
        with av.open(io.BytesIO(), "w", format=container, container_options=options) as target:
            tracks = TrackCopier(info, target, [plan])
            try:
                target.start_encoding()
                tracks.copy_beginning(_TRIED_PACKETS)
            finally:
                tracks.close()
    except (av.FFmpegError, OSError, ValueError):
        return False
    return True


def _refused_error(clip: str, name: str, suffix: str, audio: AudioChoice) -> OutputError:
    if audio == "copy":
        return OutputError(
            f"a {suffix} file cannot hold the {name} audio of {clip}; set encode.audio=auto to "
            "encode it again, or encode.audio=none to leave it out"
        )
    encoded = "" if audio == "auto" else f" as {audio}"
    return OutputError(
        f"the {name} audio of {clip} goes into a {suffix} file neither as it is nor encoded"
        f"{encoded}; write another container, or set encode.audio=none"
    )
