"""Tags: what an output says of itself beside pictures and sound, and what its container keeps."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import BinaryIO

import av
from av.container import OutputContainer
from av.video.stream import VideoStream

# What describes the old file or its encoder, and would be wrong in the new one.
_STALE_TAGS = {
    "major_brand", "minor_version", "compatible_brands", "encoder", "rotate", "duration",
    "vendor_id", "timecode",
}  # fmt: skip
# What holds for the picture that was read: an output has its own, or none.
_PICTURE_TAGS = {"alpha_mode", "stereo_mode"}
# These have a place of their own in every MP4, whatever becomes of other tags and of tracks.
_RECORDING_TIME, _RECORDING_PLACE = "creation_time", "location"
_NO_LANGUAGE = ("language", "und")


def drop_stale_tags(metadata: Mapping[str, str]) -> dict[str, str]:
    """Return metadata without what describes the old file or its encoder."""
    return {
        key: value
        for key, value in metadata.items()
        if key.lower() not in _STALE_TAGS
        and not key.upper().startswith(("_STATISTICS", "NUMBER_OF_", "BPS", "DURATION-"))
    }


def track_tags(metadata: Mapping[str, str], *, of_picture: bool = False) -> dict[str, str]:
    """Return what a track of a new file says of itself.

    Args:
        metadata: The tags of the track that was read.
        of_picture: Whether its pictures are made anew.
    """
    found = drop_stale_tags(metadata)
    if of_picture:
        found = {key: value for key, value in found.items() if key.lower() not in _PICTURE_TAGS}
    if (name := found.pop("name", None)) is not None:  # so FFmpeg reads the title of MP4, not more
        found.setdefault("title", name)
    return found


def choose_tag_flags(tags: Mapping[str, str], container: str) -> str:
    """Return the flag with which FFmpeg stores the tags of a file; empty for its usual way.

    In MP4 and MOV the usual way is the one that all players know, and holds a few tags. The other
    is that of Apple's and Android's cameras, holds any, and hides a title from many players. So it
    is chosen where the usual one would keep nothing.

    Args:
        tags: The tags.
        container: FFmpeg's name of the container.
    """
    if container not in ("mp4", "mov"):
        return ""
    file = io.BytesIO()
    with av.open(file, "w", format=container) as target:
        stream = target.add_stream("mpeg4", rate=25)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = 16, 16, "yuv420p"
        target.metadata.update(tags)
        target.start_encoding()
        given = dict(target.metadata)
    lost = {*find_lost_tags(file, [given])}
    kept = {key for key in given.keys() - lost if not key.startswith(_RECORDING_PLACE)}
    kept -= {_RECORDING_TIME}
    return "" if kept or not lost else "+use_metadata_tags"


def list_tags(target: OutputContainer) -> list[dict[str, str]]:
    """Return the tags that a file is given: its own, then those of each track."""
    return [dict(target.metadata), *(dict(stream.metadata) for stream in target.streams)]


def find_lost_tags(file: BinaryIO, given: Sequence[Mapping[str, str]]) -> Iterator[str]:
    """Yield the names of tags that a file was given, and does not have.

    Args:
        file: The file, which is read from its beginning.
        given: What :func:`list_tags` returned when it was written.
    """
    file.seek(0)
    with suppress(av.FFmpegError, ValueError), av.open(file) as made:
        yield from _missing(given[0], made.metadata)
        for number, (before, stream) in enumerate(zip(given[1:], made.streams, strict=False)):
            after = {_RECORDING_TIME: "", **track_tags(stream.metadata)}
            lost = _missing(track_tags(before, of_picture=True), after)
            yield from (f"{key} of track {number}" for key in lost)


def _missing(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[str]:
    there = {key.lower() for key in after}
    for key, value in before.items():
        if value and key.lower() not in there and (key, value) != _NO_LANGUAGE:
            yield key
