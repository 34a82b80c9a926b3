"""Sound that a container refuses is known, or encoded, before any work."""

import io
from fractions import Fraction

import av
import numpy as np
import pytest

from benchmarks.video.sound_matrix import (
    PAGE,
    SOUNDS,
    SOURCES,
    Outcome,
    draw_tone,
    format_page,
    run_matrix,
    take_sound,
    write_clip,
)
from outtake.core.errors import OutputError
from outtake.video.read.probe import probe
from outtake.video.write.audio_encoder import AUDIO_CODECS, AudioTrackEncoder
from outtake.video.write.open_output import open_output
from outtake.video.write.track_copy import TrackCopier
from outtake.video.write.track_plan import TrackPlan, plan_tracks
from tests.video.corpus import encode_clip


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory) -> list[Outcome]:
    return [*run_matrix(tmp_path_factory.mktemp("sounds"))]


def test_every_sound_goes_from_every_container_into_every_other(outcomes):
    """Nothing is raised once the plan stands, and nothing is lost on the way."""
    assert {each.sound for each in outcomes} == {*SOUNDS}
    assert {each.source[1:] for each in outcomes} == {*SOURCES}
    for each in outcomes:
        before_s, after_s = each.seconds
        assert each.same or not each.copied, each
        assert abs(after_s - before_s) < 0.1, each  # FLV names no duration of a packet


def test_the_page_says_what_happens(outcomes):
    assert PAGE.read_text() == format_page(outcomes), "run python -m benchmarks.video.sound_matrix"


@pytest.mark.parametrize("kind", ["avi", "mkv", "mxf"])
def test_pcm_without_a_layout_gets_the_usual_one(tmp_path, kind):
    """Stereo PCM of these containers gives only a number of channels, which MP4 does not take."""
    path = tmp_path / f"clip.{kind}"
    assert write_clip(path, "pcm_s16le")
    with av.open(str(path)) as clip:
        assert clip.streams.audio[0].layout.name == "2 channels"
    assert take_sound(path, "pcm_s16le", ".mp4").copied
    open_output(tmp_path / "out.mp4", probe(path)).discard()


@pytest.mark.parametrize(
    ("audio", "codec"), [("auto", "aac"), ("aac", "aac"), ("opus", "opus"), ("mp3", "mp3")]
)
def test_sound_that_is_encoded_again_stays_in_its_place(tmp_path, caplog, audio, codec):
    path = tmp_path / "clip.avi"
    write_clip(path, "pcm_u8")
    info = probe(path)
    assert plan_tracks(info, "mp4", ".mp4", audio) == (TrackPlan(1, codec),)
    assert ("which is encoded as aac" in caplog.text) == (audio == "auto")
    before, after = (read_wave(made, 48000) for made in (path, mux_sound(path, audio, tmp_path)))
    length = min(len(before), len(after))
    assert abs(len(before) - len(after)) < 2400
    assert np.corrcoef(before[:length], after[:length])[0, 1] > 0.98, "moved"


def mux_sound(path, audio, folder):
    target = folder / "sound.mp4"
    info = probe(path)
    with av.open(str(target), "w") as out:
        tracks = TrackCopier(info, out, plan_tracks(info, "mp4", ".mp4", audio))
        out.start_encoding()
        tracks.copy_until(float("inf"))
        tracks.finish()
        tracks.close()
    return target


def read_wave(path, rate):
    """Return the left channel, from time 0 on."""
    resampler = av.AudioResampler("fltp", "stereo", rate)
    with av.open(str(path)) as container:
        frames = [*container.decode(audio=0)]
        late = round(float(frames[0].pts * frames[0].time_base) * rate)
        waves = [made.to_ndarray()[0] for frame in frames for made in resampler.resample(frame)]
    wave = np.concatenate(waves)
    return np.concatenate([np.zeros(max(late, 0), np.float32), wave[max(-late, 0) :]])


def test_a_codec_that_is_there_already_is_copied(tmp_path):
    path = tmp_path / "clip.mkv"
    write_clip(path, "aac")
    assert plan_tracks(probe(path), "mp4", ".mp4", "aac") == (TrackPlan(1),)


@pytest.mark.parametrize(
    ("sound", "audio", "said"),
    [
        ("pcm_u8", "copy", r"cannot hold the pcm_u8 audio of clip\.avi; set encode\.audio=auto"),
        ("pcm_u8", "flac", r"neither as it is nor encoded as flac"),
        ("mp3", "copy", r"cannot hold the mp3 audio"),
    ],
)
def test_what_cannot_be_is_one_line_before_any_work(tmp_path, sound, audio, said):
    path = tmp_path / "clip.avi"
    write_clip(path, sound)
    with pytest.raises(OutputError, match=said):
        open_output(tmp_path / "out.webm", probe(path), audio=audio)
    assert [entry.name for entry in tmp_path.iterdir()] == ["clip.avi"]


@pytest.mark.parametrize("kind", ["mkv", "avi"])
def test_a_track_that_is_announced_and_empty_is_left_out(tmp_path, caplog, kind):
    path = tmp_path / f"clip.{kind}"
    with av.open(str(path), "w") as out:
        picture = out.add_stream("mpeg4", rate=25)
        picture.width, picture.height, picture.pix_fmt = 32, 32, "yuv420p"
        out.add_stream("libmp3lame", rate=48000)
        tone = out.add_stream("aac", rate=48000)
        for index in range(5):
            frame = av.VideoFrame(32, 32, "yuv420p")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            out.mux(picture.encode(frame))
            out.mux(tone.encode(draw_tone(tone, index * 960)))
        out.mux(picture.encode(None))
        out.mux(tone.encode(None))
    info = probe(path)
    assert plan_tracks(info, "mp4", ".mp4", "auto") == (TrackPlan(2),)
    assert "clip" in caplog.text and "mp3 audio track is empty and is left out" in caplog.text


def write_spatial(path, sounds=2):
    """Write a clip whose last sound is of a codec that FFmpeg does not know, as telephones do."""
    with av.open(str(path), "w") as out:
        picture = out.add_stream("mpeg4", rate=25)
        picture.width, picture.height, picture.pix_fmt = 32, 32, "yuv420p"
        tones = [out.add_stream("aac", rate=48000, layout="stereo") for _ in range(sounds)]
        for index in range(5):
            frame = av.VideoFrame(32, 32, "yuv420p")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            out.mux(picture.encode(frame))
            for tone in tones:
                out.mux(tone.encode(draw_tone(tone, index * 960)))
        for stream in (picture, *tones):
            out.mux(stream.encode(None))
    data = path.read_bytes()
    for known, unknown in ((b"mp4a", b"apac"), (b"esds", b"xsds")):
        place = data.rindex(known)
        data = data[:place] + unknown + data[place + 4 :]
    path.write_bytes(data)


@pytest.mark.parametrize("audio", ["auto", "aac", "opus"])
def test_sound_of_an_unknown_codec_is_left_out_beside_other_sound(tmp_path, caplog, audio):
    path = tmp_path / "clip.mp4"
    write_spatial(path)
    plan = TrackPlan(1, "opus" if audio == "opus" else None)
    assert plan_tracks(probe(path), "mp4", ".mp4", audio) == (plan,)
    assert "clip.mp4: its audio track 2 is of a codec that FFmpeg does not know" in caplog.text


@pytest.mark.parametrize(("sounds", "audio"), [(1, "auto"), (2, "copy")])
def test_sound_of_an_unknown_codec_is_refused_in_one_line(tmp_path, sounds, audio):
    path = tmp_path / "clip.mp4"
    write_spatial(path, sounds)
    with pytest.raises(OutputError, match=r"the unknown audio of clip\.mp4.*encode\.audio=none"):
        open_output(tmp_path / "out.mov", probe(path), audio=audio)


def test_a_change_from_stereo_to_surround_is_followed(tmp_path):
    """Broadcasts do so, and a resampler takes one layout only."""
    path = tmp_path / "clip.mkv"
    write_clip(path, "ac3")
    output = io.BytesIO()
    with av.open(str(path)) as source, av.open(output, "w", format="mp4") as out:
        encoder = AudioTrackEncoder(source.streams.audio[0], out, AUDIO_CODECS["aac"])
        out.start_encoding()
        made = []
        for index, layout in enumerate(["stereo", "5.1", "5.1", "stereo"]):
            channels = 6 if layout == "5.1" else 2
            frame = av.AudioFrame.from_ndarray(
                np.zeros((channels, 4800), np.float32), format="fltp", layout=layout
            )
            frame.sample_rate, frame.pts = 48000, 4800 * index
            frame.time_base = Fraction(1, 48000)
            made += encoder._encode(frame)
        made += encoder.flush()
        assert abs(len(made) * 1024 - 4 * 4800) <= 2048
        out.mux(made)


def test_a_line_calls_cover_art_so_and_none_is_said_of_the_track_of_chapters(tmp_path, caplog):
    encode_clip(tmp_path / "in.mp4", chapters=True, cover=True)
    plan_tracks(probe(tmp_path / "in.mp4"), "mp4", ".mp4", "auto")
    assert caplog.messages == ["in.mp4: its cover art is not copied"]
