"""Packets of the source where nothing is removed, as a user of the program gets them."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import av
import numpy as np
import pytest

from outtake.core.errors import OutputError
from outtake.video.read.probe import probe
from outtake.video.write.encoding_plan import EncodingRequest
from outtake.video.write.video_writer import open_writer
from tests.pipeline.square import TIME_BASE, frames
from tests.programs.removal_scene import FRAMES, run

GROUP, FIRST_HOLE = 8, 20


@pytest.fixture
def clip(scene) -> Path:
    """A clip in H.264 in groups of eight frames, whose masks are empty up to frame 20."""
    with av.open(str(scene / "in.mp4"), "w") as output:
        options = {"x264-params": f"keyint={GROUP}:min-keyint={GROUP}:scenecut=0"}
        stream = output.add_stream("libx264", rate=25, options=options)
        pictures = frames(scene / "in.mkv")
        stream.height, stream.width = pictures[0].image.shape[:2]
        stream.pix_fmt, stream.codec_context.time_base = "yuv420p", TIME_BASE
        for picture in pictures:
            frame = av.VideoFrame.from_ndarray(picture.image, format="rgb24")
            frame.pts, frame.time_base = picture.pts, TIME_BASE
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    masks = frames(scene / "masks.mkv")
    request = EncodingRequest("ffv1")
    with open_writer(scene / "late.mkv", probe(scene / "masks.mkv"), request) as writer:
        for number, mask in enumerate(masks):
            mask.image[...] *= number >= FIRST_HOLE
            writer.write(mask)
    return scene / "in.mp4"


def remove(clip: Path, name: str, *overrides: str) -> tuple[Path, dict]:
    folder = clip.parent
    target = run(
        folder, "remover=blur", f"input={clip}", f"masks={folder / 'late.mkv'}",
        f"output={folder / name}", *overrides,
    )  # fmt: skip
    return target, json.loads(target.with_suffix(".report.json").read_text())


def planes(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray() for frame in container.decode(video=0)]


def test_groups_without_a_hole_are_copied_and_it_is_said(clip, caplog):
    with caplog.at_level(logging.INFO, "outtake"):
        target, report = remove(clip, "out.mp4")
    copied = FIRST_HOLE // GROUP * GROUP
    assert report["copied_frames"] == copied == 16
    assert report["frames"] == FRAMES
    (line,) = [text for text in caplog.messages if "own packets" in text]
    assert line.startswith("out.mp4: 16 of 40 frames are the source's own packets")
    pairs = zip(planes(clip), planes(target), strict=True)
    assert [np.array_equal(a, b) for a, b in pairs] == [n < copied for n in range(FRAMES)]
    caplog.clear()
    with caplog.at_level(logging.INFO, "outtake"):
        other, report = remove(clip, "never.mp4", "encode.copy_unchanged=never")
    assert report["copied_frames"] == 0
    assert not [text for text in caplog.messages if "own packets" in text]
    times = [[frame.pts for frame in frames(path)] for path in (target, other)]
    assert times[0] == times[1]


def test_always_is_refused_before_work_where_it_cannot_be(clip):
    with pytest.raises(OutputError, match=r"always: no packet of .*in\.mp4 can be copied, because"):
        remove(clip, "out.mkv", "encode.codec=ffv1", "encode.copy_unchanged=always")
    assert not (clip.parent / "out.mkv").exists()
    assert not (clip.parent / "out.mkv.part").exists()
