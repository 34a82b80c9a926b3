from fractions import Fraction

import av
import numpy as np

from outtake.video.read.count_frames import count_frames, frame_times


def test_frames_are_counted_and_timed_without_decoding(tmp_path):
    path = tmp_path / "clip.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"bf": "2"})
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        for number in range(9):
            picture = np.full((32, 32, 3), 20 * number, np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert count_frames(path) == 9
    assert frame_times(path) == [Fraction(number, 25) for number in range(9)]
    # No further than a time: none up to it is missing, and the end is not read.
    some = frame_times(path, until_s=Fraction(2, 25))
    assert some[:3] == [Fraction(number, 25) for number in range(3)] and len(some) < 9
