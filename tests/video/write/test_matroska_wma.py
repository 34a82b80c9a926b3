"""Windows Media sound goes into Matroska bit for bit, under its own name."""

import io
import zlib

import av
import numpy as np
import pytest

from benchmarks.video.sound_matrix import write_clip
from outtake.video.matroska_elements import (
    CRC,
    HEAD_BYTES,
    TRACKS,
    find_head_parts,
    parse_elements,
)
from outtake.video.read.clip import open_clip
from outtake.video.write.matroska_wma import add_wma_track
from outtake.video.write.video_writer import open_writer
from tests.video.segmenting import read_packets


def read_samples(path):
    with av.open(str(path)) as container:
        return np.concatenate([frame.to_ndarray() for frame in container.decode(audio=0)], 1)


def test_wma_goes_into_matroska_under_its_own_name(tmp_path, caplog):
    source, target = tmp_path / "in.wmv", tmp_path / "out.mkv"
    write_clip(source, "wmav2")
    with open_clip(source) as clip, open_writer(target, clip.info, audio="copy") as writer:
        for frame in clip:
            writer.write(frame)
    with av.open(str(target)) as made:
        context = made.streams.audio[0].codec_context
        assert (context.name, context.sample_rate, context.channels) == ("wmav2", 48000, 2)
    assert [data for _, data in read_packets(target)] == [data for _, data in read_packets(source)]
    assert np.array_equal(read_samples(target), read_samples(source))
    head = target.read_bytes()[:HEAD_BYTES]
    tracks = find_head_parts(head)[TRACKS]
    first = next(parse_elements(head, tracks.data, tracks.end))
    assert first.id == CRC
    checksum = zlib.crc32(head[first.end : tracks.end])
    assert head[first.data : first.end] == checksum.to_bytes(4, "little")
    assert not caplog.text


def test_mpeg_audio_keeps_its_name(tmp_path):
    source, target = tmp_path / "in.mkv", tmp_path / "out.mkv"
    write_clip(source, "mp2")
    with open_clip(source) as clip, open_writer(target, clip.info) as writer:
        for frame in clip:
            writer.write(frame)
    with av.open(str(target)) as made:
        assert made.streams.audio[0].codec_context.name == "mp2"


def test_numbers_that_are_too_large_are_one_line_of_the_container(tmp_path):
    source = tmp_path / "in.wmv"
    write_clip(source, "wmav2")
    with (
        av.open(str(source)) as film,
        av.open(io.BytesIO(), "w", format="matroska") as target,
        pytest.raises(ValueError, match="does not fit into WAVEFORMATEX"),
    ):
        add_wma_track(target, film.streams.audio[0], 1 << 16)
