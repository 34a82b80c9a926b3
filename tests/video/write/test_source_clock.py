"""A clip begins at 0 whatever its own clock shows, and all its tracks move by the same time."""

import logging
from fractions import Fraction

import av
import numpy as np
import pytest

from outtake.video.read.clip import open_clip
from outtake.video.write.open_output import open_output
from tests.video.corpus import BFRAMES, encode_clip, remux_tracks
from tests.video.segmenting import read_packets

FRAMES = 25
WRAP_S = Fraction(1 << 33, 90000)  # the clock of a transport stream has 33 bits
# FFmpeg's muxer adds 1.4 s to a transport stream.
CLOCKS = {
    "late.ts": 50000,
    "wraps after three frames.ts": WRAP_S - Fraction(14, 10) - Fraction(12, 100),
    "late.mkv": 3600,
    "late.mp4": 3600,
    "late.flv": 3600,
    "before zero.mkv": -0.2,
    "usual.ts": 0,
}


def times_of(path, kind):
    return np.array([time for time, _ in read_packets(path, kind)])


@pytest.mark.parametrize("target", ["out.mp4", "out.mkv"])
@pytest.mark.parametrize("name", CLOCKS)
def test_every_clock_begins_at_zero(tmp_path, caplog, name, target):
    source, path = tmp_path / "source.mp4", tmp_path / name
    steps = [512 * index for index in range(FRAMES)]
    encode_clip(source, frames=FRAMES, pts=steps, audio=["aac"], options=BFRAMES)
    remux_tracks(source, path, CLOCKS[name])
    with open_clip(path) as clip:
        frames = list(clip)
    output = open_output(tmp_path / target, clip.info)
    with output.open_segment(0) as writer:
        for frame in frames:
            writer.write(frame)
    kept = output.salvage()
    assert kept is not None and kept.frames == FRAMES
    assert kept.seconds == pytest.approx(FRAMES / 25, abs=0.05), "not the time of the source"
    output.finish(1)
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]

    with av.open(str(tmp_path / target)) as made:
        shown = [float(frame.pts * frame.time_base) for frame in made.decode(video=0)]
        assert float(made.duration / av.time_base) == pytest.approx(FRAMES / 25, abs=0.06)
    assert len(shown) == FRAMES and 0 <= shown[0] < 0.03
    assert np.allclose(np.diff(shown), 1 / 25, atol=0.0011)
    sound, before = times_of(tmp_path / target, "audio"), times_of(source, "audio")
    assert len(sound) == len(before)
    assert np.allclose(sound - shown[0], before, atol=0.0021), "sound and picture moved apart"


def test_a_program_stream_begins_at_zero(tmp_path):
    """FFmpeg's muxer begins it at about 0.5 s, as most discs do."""
    path = tmp_path / "disc.vob"
    encode_clip(
        path, "mpeg2video", form="vob", audio=["ac3"], time_base=Fraction(1, 25), pix_fmt="yuv420p"
    )
    with av.open(str(path)) as container:
        assert container.start_time / av.time_base > 0.4
    with open_clip(path) as clip:
        times = [float(frame.pts * frame.time_base) for frame in clip]
    assert 0 <= times[0] < 0.04 and np.allclose(np.diff(times), 1 / 25)


def test_a_picture_that_begins_after_the_sound_still_does(tmp_path):
    """Only what lies before every track is cut off."""
    source, path = tmp_path / "source.mp4", tmp_path / "late.mkv"
    encode_clip(source, frames=FRAMES, pts=[12800 + 512 * i for i in range(FRAMES)], audio=["aac"])
    remux_tracks(source, path, 100)
    with open_clip(path) as clip:
        first = next(iter(clip))
    assert float(clip.info.origin_s) == pytest.approx(100, abs=0.03)
    assert float(first.pts * first.time_base) == pytest.approx(1, abs=0.03)


def test_subtitles_move_too(tmp_path):
    source, path = tmp_path / "source.mkv", tmp_path / "late.mkv"
    encode_clip(source, audio=["aac"], subtitles=True, options={"preset": "ultrafast"})
    remux_tracks(source, path, 100)
    with open_clip(path) as clip:
        output = open_output(tmp_path / "out.mkv", clip.info)
        with output.open_segment(0) as writer:
            for frame in clip:
                writer.write(frame)
    output.finish(1)
    (before_s,), (after_s,) = (times_of(each, "subtitles") for each in (source, output.path))
    assert after_s == pytest.approx(before_s, abs=0.03)
