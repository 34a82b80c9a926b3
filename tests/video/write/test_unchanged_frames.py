import av
import pytest

from tests.video.write.copied_clips import CLOSED, change_frames, open_copying, write_segment


def packets_of_segment(output, index: int) -> int:
    with av.open(str(output.segment_folder / f"{index:05d}.mkv")) as container:
        return sum(bool(packet.size) for packet in container.demux(video=0))


@pytest.mark.parametrize(
    ("changed", "encoded"),
    [
        # Groups begin at 0, 6, 12, 18 and 24, segments at 11 and 22.
        ((), (6, 5, 2)),
        ((8,), (6, 5, 2)),
        ((1,), (11, 5, 2)),
        ((17,), (6, 11, 2)),
        ((29,), (6, 5, 8)),
    ],
)
def test_frames_that_will_be_copied_are_not_encoded(make_video, tmp_path, changed, encoded):
    """A segment begins with a frame in any case, and a group that goes on elsewhere is encoded."""
    source = make_video("in.mp4", options=CLOSED)
    output, frames = open_copying(tmp_path / "out.mp4", source)
    for index in range(3):
        write_segment(output, change_frames(frames, changed), index)
    assert tuple(packets_of_segment(output, index) for index in range(3)) == encoded
    output.discard()
