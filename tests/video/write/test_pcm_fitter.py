"""Sound stays at its times where a muxer, or an encoder, counts samples instead."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from tests.video.write.test_track_copy import TrackPlan, copy_sound

RATE, BLOCK, SECONDS = 8000, 160, 4
GAP_S = (1.5, 2.3)


def write_sound(path: Path, codec: str, scale: float = 1, gap_s: tuple[float, float] = (9, 9)):
    """Write a clip whose sound is loud for a tenth of each second, by the times of its packets."""
    with av.open(str(path), "w") as out:
        picture = out.add_stream("mpeg4", rate=25)
        picture.width, picture.height, picture.pix_fmt = 32, 32, "yuv420p"
        tone = out.add_stream(codec, rate=RATE, layout="mono")
        for index in range(25 * SECONDS):
            frame = av.VideoFrame(32, 32, "yuv420p")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            out.mux(picture.encode(frame))
        out.mux(picture.encode(None))
        form = tone.codec_context.format.name
        loud, quiet = (255, 128) if form == "u8" else (30000, 0)
        for number in range(round(SECONDS * RATE / BLOCK / scale)):
            time_s = number * BLOCK / RATE * scale
            if gap_s[0] <= time_s < gap_s[1]:
                continue
            level = loud if time_s % 1 < 0.099 else quiet
            samples = np.full((1, BLOCK), level, np.uint8 if form == "u8" else np.int16)
            block = av.AudioFrame.from_ndarray(samples, format=form, layout="mono")
            block.sample_rate, block.time_base = RATE, Fraction(1, RATE)
            block.pts = round(time_s * RATE)
            out.mux(tone.encode(block))
        out.mux(tone.encode(None))


def find_beats(path: Path) -> list[float]:
    """Return when the sound of a file gets loud."""
    resampler = av.AudioResampler("flt", "mono", RATE)
    found, before = [], False
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            for part in resampler.resample(frame):
                for number, loud in enumerate(abs(part.to_ndarray()[0]) > 0.3):
                    time_s = float(part.pts * part.time_base) + number / RATE
                    if loud and not before and (not found or time_s - found[-1] > 0.5):
                        found.append(time_s)
                    before = loud
    return found


@pytest.mark.parametrize("codec", ["pcm_s16le", "pcm_u8", "pcm_alaw", "pcm_mulaw"])
def test_a_gap_in_copied_pcm_becomes_silence(tmp_path, caplog, codec):
    suffix = ".mkv" if codec in ("pcm_s16le", "pcm_u8") else ".wmv"  # Matroska takes no G.711
    source, target = tmp_path / f"clip{suffix}", tmp_path / "out.mov"
    write_sound(source, codec, gap_s=GAP_S)
    copy_sound(source, target, TrackPlan(1))
    assert find_beats(target) == pytest.approx([0, 1, 3], abs=0.03)
    assert "track 1: 0.8 s of silence fill its gaps, which PCM in MP4 and" in caplog.text
    with av.open(str(target)) as made:
        wave = np.concatenate([each.to_ndarray()[0] for each in made.decode(audio=0)])
    gap = wave[round(GAP_S[0] * RATE) : round(GAP_S[1] * RATE)].astype(int)
    assert len({*gap.tolist()}) == 1 and abs(gap[0] - (128 if codec == "pcm_u8" else 0)) <= 8


@pytest.mark.parametrize(
    ("name", "codec", "late_s"), [("out.mov", None, 0.04), ("out.mp4", None, 0.04),
                                  ("out.mkv", "flac", 0.1), ("out.mp4", "aac", 0.1)],
)  # fmt: skip
@pytest.mark.parametrize("scale", [0.9, 1.1])
def test_sound_whose_clock_is_wrong_is_never_far_from_its_times(
    tmp_path, caplog, name, codec, late_s, scale
):
    source, target = tmp_path / "clip.mkv", tmp_path / name
    write_sound(source, "pcm_s16le", scale=scale)
    copy_sound(source, target, TrackPlan(1, codec))
    assert find_beats(target) == pytest.approx(find_beats(source), abs=late_s + 0.03)
    too_long = "s of sound are left out, because it is longer than its times say"
    assert (too_long in caplog.text) == (scale < 1)
    assert ("s of silence fill its gaps" in caplog.text) == (scale > 1 and codec is None)
    assert "damaged" not in caplog.text


@pytest.mark.parametrize("name", ["out.mov", "out.mkv"])
def test_sound_at_its_times_is_copied_bit_for_bit(tmp_path, caplog, name):
    source, target = tmp_path / "clip.mkv", tmp_path / name
    write_sound(source, "pcm_s16le")
    copy_sound(source, target, TrackPlan(1))
    data = [
        b"".join(bytes(packet) for packet in container.demux(audio=0))
        for path in (source, target)
        for container in [av.open(str(path))]
    ]
    assert data[0] == data[1] and not caplog.text


def test_sound_that_goes_back_in_time_is_encoded_to_its_end(tmp_path, caplog):
    """A recording that was joined from two starts over; nothing of the second is cut off."""
    source, target = tmp_path / "clip.ts", tmp_path / "out.mkv"
    with av.open(str(source), "w") as out:
        picture = out.add_stream("mpeg2video", rate=25)
        picture.width, picture.height, picture.pix_fmt = 32, 32, "yuv420p"
        tone = out.add_stream("mp2", rate=32000, layout="mono")
        frame = av.VideoFrame(32, 32, "yuv420p")
        frame.pts, frame.time_base = 0, Fraction(1, 25)
        out.mux([*picture.encode(frame), *picture.encode(None)])
        for number in range(40):
            block = av.AudioFrame.from_ndarray(
                np.full((1, 1152), 1000, np.int16), format="s16", layout="mono"
            )
            block.sample_rate, block.time_base, block.pts = 32000, Fraction(1, 32000), number * 1152
            out.mux(tone.encode(block))
        out.mux(tone.encode(None))
    source.write_bytes(source.read_bytes() * 2)
    copy_sound(source, target, TrackPlan(1, "flac"))
    with av.open(str(target)) as made:
        samples = sum(each.samples for each in made.decode(audio=0))
    assert samples == pytest.approx(2 * 40 * 1152, abs=3 * 1152)
    assert "left out" not in caplog.text
