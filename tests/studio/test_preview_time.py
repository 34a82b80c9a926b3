"""A preview shows the frames that are shown around its time, also where the rate varies."""

import json
from bisect import bisect_right
from fractions import Fraction

import av
import numpy as np
import pytest

from outtake.config.compose import compose
from outtake.pipeline import removal_preview
from outtake.programs.infer_video import infer_video
from outtake.studio.job_commands import build_command
from outtake.studio.project import Project

SIZE = (48, 64)
# A burst of frames, and then one each second.
TIMES = [Fraction(number, 30) for number in range(20)] + [Fraction(1 + n) for n in range(20)]


@pytest.fixture
def clip(tmp_path, request):
    codec = getattr(request, "param", "libx264")
    path = tmp_path / ("varies.mp4" if codec == "libx264" else "varies.webm")
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=30)
        stream.height, stream.width = SIZE
        stream.pix_fmt = "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, 3000)
        for number, time in enumerate(TIMES):
            picture = np.full((*SIZE, 3), 6 * number, np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, "rgb24")
            frame.pts, frame.time_base = int(time * 3000), Fraction(1, 3000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def preview(clip, *overrides):
    """Return the number of the first frame that is shown, and how many are."""
    out = clip.with_name("out.mp4")
    given = [f"input={clip}", f"output={out}", "regions=[{box:[4,4,9,9]}]", "remover=blur"]
    infer_video(compose("infer_video", [*given, *overrides]))
    report = json.loads(clip.with_name("out.preview.report.json").read_text())
    return report["first_frame"], report["frames"]


@pytest.mark.parametrize("at_s", [Fraction("0.3"), Fraction("8.597"), Fraction(14), Fraction(20)])
def test_frames_within_a_second_are_shown(clip, at_s):
    first, count = preview(clip, f"preview={float(at_s)}")
    wanted = [n for n, time in enumerate(TIMES) if at_s - 1 <= time < at_s + 1]
    assert [*range(first, first + count)] == wanted
    assert bisect_right(TIMES, at_s) - 1 in wanted


def test_a_part_and_every_second_frame_have_times_too(clip):
    # Of frames at 5, 6, ... 14 s those at 5, 7, 9, 11 and 13 s.
    assert preview(clip, "preview=11.5", "read.start=5", "read.end=15", "read.every=2") == (3, 1)


def test_no_more_frames_than_a_preview_has(clip, monkeypatch):
    monkeypatch.setattr(removal_preview, "MAX_FRAMES", 6)
    assert preview(clip, "preview=0.4") == (9, 6)


@pytest.mark.parametrize("clip", ["libx264", "libvpx-vp9"], indirect=True)
def test_the_studio_says_when_its_frame_is_shown(clip, tmp_path):
    with Project(tmp_path / "project", clip) as project:
        weights = project.folder / "runs/round_001/checkpoints"
        weights.mkdir(parents=True)
        (weights / "last.ckpt").touch()
        for number in (10, 19, 30, 39):
            told = build_command(project, "preview", {"frame": number}).arguments[-1]
            assert told == f"preview={float(TIMES[number]):.3f}"
            first, count = preview(clip, told)
            assert first <= number < first + count
