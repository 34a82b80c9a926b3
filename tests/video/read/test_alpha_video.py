"""The alpha of a video is what its file holds, to the last pixel."""

from pathlib import Path

import av
import numpy as np

from outtake.video.read.alpha_video import read_rgba
from outtake.video.read.safety_limits import SafetyLimits


def test_no_pixel_of_the_alpha_of_a_frame_is_left_to_chance(tmp_path: Path) -> None:
    """A conversion by several threads spoils some pixels, of four frames in five."""
    path = tmp_path / "matte.mkv"
    opaque = np.full((334, 250, 4), 255, np.uint8)
    with av.open(str(path), "w") as output:
        stream = output.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 250, 334, "yuva420p"
        for number in range(20):
            frame = av.VideoFrame.from_ndarray(opaque, format="rgba")
            frame = frame.reformat(format="yuva420p", threads=1)
            frame.pts = number
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    frames = list(read_rgba(path, SafetyLimits()))
    assert len(frames) == 20 and all((frame[..., 3] == 255).all() for frame in frames)
