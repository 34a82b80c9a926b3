from pathlib import Path

import pytest

from outtake.core.errors import VideoError
from outtake.video.read.clip import open_clip
from outtake.video.read.truncation import missing_bytes


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
