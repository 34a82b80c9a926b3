"""A damaged table of times in an MP4 has a line; a whole one has none."""

from __future__ import annotations

import logging
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from outtake.core.errors import VideoError
from outtake.video.read.clip import open_clip
from outtake.video.read.time_table import TimeTable

FRAMES = 12


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """An MP4 with B-frames, whose times of showing are not those of decoding."""
    path = tmp_path_factory.mktemp("film") / "a.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"bf": "2", "preset": "fast"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for index in range(FRAMES):
            picture = np.full((48, 64, 3), index * 15, np.uint8)
            picture[:, index * 4 : index * 4 + 8] = 255
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture)))
        container.mux(stream.encode(None))
    return path.read_bytes()


def read(path: Path, caplog: pytest.LogCaptureFixture) -> tuple[int, str]:
    """Return how many frames come, and what is said."""
    caplog.clear()
    with caplog.at_level(logging.WARNING, "outtake"), open_clip(path) as clip:
        return len(list(clip)), caplog.text


def test_no_flipped_byte_of_the_offsets_loses_a_frame_in_silence(
    film: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(film)
    assert read(path, caplog) == (FRAMES, "")
    at = film.index(b"ctts")
    size = int.from_bytes(film[at - 4 : at], "big")
    fewer = 0
    for offset in range(8, size - 4):
        damaged = bytearray(film)
        damaged[at + offset] ^= 0x80
        path.write_bytes(damaged)
        try:
            count, said = read(path, caplog)
        except VideoError:
            continue
        fewer += count < FRAMES
        assert count == FRAMES or "its tables of times may be damaged" in said, offset
    assert fewer > 10


class Packet:
    size, is_discard = 1, False

    def __init__(self, dts: int | None, pts: int | None, is_discard: bool = False) -> None:
        self.dts, self.pts, self.is_discard = dts, pts, is_discard


@pytest.mark.parametrize(
    ("packets", "duration", "fault"),
    [
        ([(0, 2), (1, 4), (2, 3), (3, 5)], 4, None),
        ([(0, 2), (1, 9), (2, 3), (3, 5)], 4, "shown at unequal times, at first after 1.000 s"),
        ([(0, 2), (1, 9, True), (2, 3), (3, 4)], 4, "1 of 4 frames have a time outside of what"),
        ([(0, 0, True), (1, 1, True), (2, 2), (3, 3)], 2, None),  # cut inside a group
        ([(0, 0), (1, 1), (2, 2), (4, 9)], 9, None),  # a variable rate
        ([(0, 0), (1, 5), (None, 2), (3, 3)], 4, None),
        ([(0, 0), (0, 0), (0, 0)], 4, None),
    ],
)
def test_times_are_compared_where_all_steps_are_equal(
    packets: list[tuple], duration: int, fault: str | None
) -> None:
    table = TimeTable()
    for packet in packets:
        table.add_packet(Packet(*packet))
    found = table.find_fault(duration, Fraction(1))
    assert found is None if fault is None else fault in str(found)
