import os
from fractions import Fraction
from pathlib import Path

import pytest

from outtake.core.errors import VideoError
from outtake.video.read.clip import open_clip
from outtake.video.read.truncation import missing_bytes
from tests.video.corpus import encode_clip


def read(path: Path) -> list:
    with open_clip(path) as clip:
        return list(clip)


CONTAINERS = {
    "late index": ("clip.mp4", "libx264", "aac", {}),
    "early index": ("clip.mp4", "libx264", "aac", {"movflags": "faststart"}),
    "fragments": ("clip.mp4", "libx264", "aac", {"movflags": "frag_keyframe+empty_moov"}),
    "matroska": ("clip.mkv", "ffv1", "libopus", {}),
    "webm": ("clip.webm", "libvpx-vp9", "libopus", {}),
    "avi": ("clip.avi", "mpeg4", "libmp3lame", {}),
    "transport stream": ("clip.ts", "libx264", "aac", {}),
}


@pytest.mark.parametrize("kind", CONTAINERS)
def test_a_truncated_file_is_never_read_short_in_silence(make_video, kind):
    name, codec, audio, container = CONTAINERS[kind]
    path = make_video(name, codec, audio=audio, container=container)
    data = path.read_bytes()
    assert missing_bytes(path) == 0
    assert len(read(path)) == 30
    for share in (0.02, 0.3, 0.5, 0.8, 0.95, 0.999):
        path.write_bytes(data[: int(len(data) * share) // 188 * 188 + 5])
        with pytest.raises(VideoError):
            read(path)
    path.write_bytes(data[:-1])
    with pytest.raises(VideoError):
        read(path)


@pytest.mark.parametrize("kind", ["late index", "early index"])
@pytest.mark.parametrize(
    "rest", [b"\x2e\xe8\xb2\x11\x90r\xff\x07" + bytes(range(99)), b"\x11\x90\x2e"]
)
def test_what_an_older_longer_file_left_behind_an_mp4_gets_a_line(make_video, caplog, kind, rest):
    """An application that rewrites a file in place leaves the old end: no box, or one of 787 MB."""
    name, codec, audio, container = CONTAINERS[kind]
    path = make_video(name, codec, audio=audio, container=container)
    data = path.read_bytes()
    path.write_bytes(data + rest)
    assert len(read(path)) == 30
    assert f"the last {len(rest)} bytes are no part of the film" in caplog.text
    path.write_bytes(data[: len(data) - 200] + rest)
    with pytest.raises(VideoError):
        read(path)


def test_rubbish_behind_fragments_may_be_a_fragment(make_video):
    name, codec, audio, container = CONTAINERS["fragments"]
    path = make_video(name, codec, audio=audio, container=container)
    path.write_bytes(path.read_bytes() + b"\x2e\xe8\xb2\x11moof" + bytes(99))
    with pytest.raises(VideoError, match="is truncated"):
        read(path)


def test_a_file_filled_up_with_zeros_is_not_read_short(make_video):
    path = make_video("clip.mp4", container={"movflags": "faststart"})
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2] + bytes(len(data) - len(data) // 2))
    with pytest.raises(VideoError, match=r"has no readable frame|damaged"):
        read(path)


def test_a_matroska_file_with_a_gap_is_damaged(make_video):
    path = make_video("clip.webm", "libvpx-vp9", frames=75)
    data = bytearray(path.read_bytes())
    data[len(data) // 3 : -300] = bytes(len(data) - len(data) // 3 - 300)
    path.write_bytes(data)
    with pytest.raises(VideoError, match=r"is damaged at byte \d+ of \d+"):
        read(path)


def test_a_live_recording_without_lengths_is_read(make_video):
    path = make_video("clip.mkv", "ffv1", frames=10, container={"live": "1"})
    assert len(read(path)) == 10


def test_mxf_is_followed_from_triplet_to_triplet(tmp_path):
    path = tmp_path / "clip.mxf"
    step = Fraction(1, 25)
    encode_clip(path, "mpeg2video", audio=["pcm_s16le"], pix_fmt="yuv422p", time_base=step)
    data = path.read_bytes()
    assert len(read(path)) == 12
    for length in (40, len(data) // 3, len(data) // 2, len(data) - 300, len(data) - 1):
        path.write_bytes(data[:length])
        with pytest.raises(VideoError, match="truncated"):
            read(path)
    path.write_bytes(data + bytes(5))
    assert len(read(path)) == 12
    key = bytes.fromhex("060e2b34")
    place = data.index(key, len(data) // 2)
    path.write_bytes(data[:place] + bytes(4) + data[place + 4 :])
    with pytest.raises(VideoError, match=f"damaged at byte {place}"):
        read(path)


def test_a_pipe_has_its_own_line(tmp_path):
    os.mkfifo(tmp_path / "in.mp4")
    with pytest.raises(VideoError, match=r"in\.mp4 is a pipe, .* as input=-"):
        open_clip(tmp_path / "in.mp4")
