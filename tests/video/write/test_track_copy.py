"""Sound whose packets are not in order is kept as far as it can be, and gets a line."""

import av
import numpy as np
import pytest

from benchmarks.video.sound_matrix import write_clip
from outtake.video.read.probe import probe
from outtake.video.write.audio_encoder import AUDIO_CODECS, AudioTrackEncoder
from outtake.video.write.track_copy import TrackCopier, TrackPlan, muxer_options
from tests.video.corpus import encode_clip
from tests.video.segmenting import read_packets


def copy_sound(source, target, plan):
    container = {".mkv": "matroska", ".mov": "mov", ".mp4": "mp4"}[target.suffix]
    options = muxer_options(container)
    with av.open(str(target), "w", format=container, container_options=options) as out:
        tracks = TrackCopier(probe(source), out, [plan])
        out.start_encoding()
        tracks.copy_until(float("inf"))
        tracks.finish()
        tracks.close()


@pytest.mark.parametrize("name", ["out.mp4", "out.mkv"])
def test_sound_that_goes_back_in_time_is_kept_in_its_order(tmp_path, caplog, name):
    path = tmp_path / "clip.ts"
    write_clip(path, "ac3")
    path.write_bytes(path.read_bytes() * 2)
    before = read_packets(path)
    assert [time for time, _ in before] != sorted(time for time, _ in before), "not what was made"
    copy_sound(path, tmp_path / name, TrackPlan(1))
    after = read_packets(tmp_path / name)
    assert [data for _, data in after] == [data for _, data in before]
    assert np.allclose(np.diff([time for time, _ in after]), 0.032, atol=0.0011)
    moved = len(before) // 2
    assert f"track 1: packets that go back in time, and follow the one before: {moved}" in (
        caplog.text
    )


def test_encoded_sound_follows_what_came_before_until_its_clock_is_right_again(tmp_path, caplog):
    path = tmp_path / "clip.mkv"
    write_clip(path, "pcm_s16le")
    source, out = av.open(str(path)), av.open(str(tmp_path / "out.mkv"), "w")
    with source, out:
        encoder = AudioTrackEncoder(source.streams.audio[0], out, AUDIO_CODECS["flac"])
        made = []
        packets = [packet for packet in source.demux(audio=0) if packet.size]
        back = len(packets) // 2
        for number, packet in enumerate(packets):
            if number == back:
                packet.pts = packet.dts = -500  # milliseconds
            made += encoder.convert(packet)
        made += encoder.flush()
    starts = [float(packet.pts * packet.time_base) for packet in made]
    lengths = [float(packet.duration * packet.time_base) for packet in made]
    assert encoder.moved == 1
    assert np.allclose(np.add(starts, lengths)[:-1], starts[1:], atol=0.002)
    whole_s = sum(packet.duration * packet.time_base for packet in packets)
    assert starts[-1] + lengths[-1] == pytest.approx(float(whole_s), abs=0.05)


def test_sound_that_cannot_be_decoded_gets_a_line(tmp_path, caplog):
    path = tmp_path / "clip.avi"
    write_clip(path, "ac3")
    data = path.read_bytes()
    _, third = read_packets(path)[2]
    path.write_bytes(data.replace(third, bytes(len(third))))
    copy_sound(path, tmp_path / "out.mp4", TrackPlan(1, "aac"))
    assert "track 1: packets that are damaged, and are left out: 1" in caplog.text
    assert read_packets(tmp_path / "out.mp4")


def test_mp4_says_where_opus_from_matroska_ends(tmp_path):
    source, target = tmp_path / "in.mkv", tmp_path / "out.mp4"
    encode_clip(source, audio=["libopus"])
    with av.open(str(source)) as film:
        samples = sum(frame.samples for frame in film.decode(audio=0))
    copy_sound(source, target, TrackPlan(1))
    with av.open(str(target)) as film:
        track = film.streams.audio[0]
        last = [packet for packet in film.demux(track) if packet.size][-1]
        assert last.duration < 960  # of a packet of 20 ms
        assert last.pts + last.duration == pytest.approx(samples, abs=48)
    # The edit list: version 0, one entry, its length in ticks of the film.
    data = target.read_bytes()
    edit, movie = data.index(b"elst"), data.index(b"mvhd")
    length, ticks = (int.from_bytes(data[n : n + 4], "big") for n in (edit + 12, movie + 16))
    assert length / ticks == pytest.approx(samples / 48000, abs=0.0011)
