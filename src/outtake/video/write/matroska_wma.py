"""Put Windows Media sound into Matroska, which names it by its Windows format (A_MS/ACM, RFC 9559).

PyAV asks FFmpeg's muxer for the codecs alone that Matroska itself names. So the track is written as
MPEG audio, whose packets the muxer passes on as they are, and gets its name in the finished file.
"""

from __future__ import annotations

import io
import struct
import zlib
from functools import cache
from pathlib import Path
from typing import TypeGuard

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.stream import Stream

from outtake.video.matroska_elements import (
    CRC,
    HEAD_BYTES,
    TRACK,
    TRACKS,
    find_head_parts,
    parse_elements,
)

# The number of each codec in WAVEFORMATEX.
WMA_FORMATS = {"wmav1": 0x160, "wmav2": 0x161, "wmapro": 0x162, "wmalossless": 0x163}

_CODEC_ID, _CODEC_PRIVATE = 0x86, 0x63A2
_WRITTEN_ID, _RIGHT_ID = b"A_MPEG/L2", b"A_MS/ACM\0"  # a text may end with zeros
_BITS = 16


def is_wma(stream: Stream) -> TypeGuard[AudioStream]:
    """Return whether a track is Windows Media sound."""
    context = stream.codec_context
    return context is not None and context.codec.canonical_name in WMA_FORMATS


def add_wma_track(target: OutputContainer, source: AudioStream, packet_bytes: int) -> AudioStream:
    """Add a track for the packets of a Windows Media track to a Matroska file.

    Args:
        target: The container, whose header is not written yet.
        source: The track that is read.
        packet_bytes: The size of its packets, which all have the same.

    Raises:
        ValueError: A number of the track is too large for WAVEFORMATEX.
    """
    with av.open(io.BytesIO(_encode_silence())) as silence:
        stream: AudioStream = target.add_stream_from_template(silence.streams.audio[0], opaque=True)
    theirs, ours = source.codec_context, stream.codec_context
    extra = theirs.extradata or b""
    numbers = (
        WMA_FORMATS[theirs.codec.canonical_name],
        theirs.channels,
        theirs.sample_rate,
        (theirs.bit_rate or 0) // 8,
        packet_bytes,
        _BITS,
        len(extra),
    )
    try:
        ours.extradata = struct.pack("<HHIIHHH", *numbers) + extra
    except struct.error as error:
        raise ValueError(f"its sound does not fit into WAVEFORMATEX: {error}") from error
    ours.layout, ours.sample_rate = theirs.layout, theirs.sample_rate
    assert source.time_base is not None
    stream.time_base = source.time_base
    return stream


@cache
def _encode_silence() -> bytes:
    """Return a little MPEG audio, the template of a track."""
    data = io.BytesIO()
    with av.open(data, "w", format="mp2") as out:
        stream = out.add_stream("mp2", rate=48000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 2 * 1152), np.int16), "s16", "stereo")
        frame.sample_rate = 48000
        for _ in range(3):
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return data.getvalue()


def name_wma_tracks(path: Path) -> None:
    """Give the Windows Media tracks of a finished Matroska file their name."""
    with path.open("r+b") as file:
        head = bytearray(file.read(HEAD_BYTES))
        tracks = find_head_parts(bytes(head)).get(TRACKS)
        if tracks is None:
            return
        entries = [*parse_elements(bytes(head), tracks.data, tracks.end)]
        for entry in entries:
            parts = {part.id: part for part in parse_elements(bytes(head), entry.data, entry.end)}
            name, private = parts.get(_CODEC_ID), parts.get(_CODEC_PRIVATE)
            if entry.id != TRACK or name is None or private is None:
                continue
            number = int.from_bytes(head[private.data : private.data + 2], "little")
            if head[name.data : name.end] == _WRITTEN_ID and number in WMA_FORMATS.values():
                head[name.data : name.end] = _RIGHT_ID
        if entries and entries[0].id == CRC:
            rest = zlib.crc32(head[entries[0].end : tracks.end])
            head[entries[0].data : entries[0].end] = rest.to_bytes(4, "little")
        file.seek(tracks.start)
        file.write(head[tracks.start : tracks.end])
