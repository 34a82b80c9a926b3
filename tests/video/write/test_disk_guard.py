import shutil
from collections import namedtuple
from fractions import Fraction

import pytest

from outtake.core.errors import OutputError
from outtake.video.read.probe import VideoInfo
from outtake.video.write.disk_guard import SizeGuard


def test_a_disk_too_small_for_the_estimate_stops_the_job_early(tmp_path, monkeypatch, caplog):
    usage = namedtuple("usage", "total used free")
    info = VideoInfo(tmp_path / "in.mp4", 64, 48, Fraction(25), Fraction(1, 25), frames=1000)
    guard = SizeGuard(info, tmp_path / "o.mp4")
    for free, words in ((30e6, None), (15e6, "will take about 10 MB")):
        monkeypatch.setattr(shutil, "disk_usage", lambda _, free=free: usage(0, 0, int(free)))
        caplog.clear()
        guard.add_segment(100, 1_000_000, 1_000_000)
        assert (words in caplog.text) if words else not caplog.text
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(0, 0, 5_000_000))
    with pytest.raises(OutputError, match=r"5 MB are free .*job.resume=true"):
        guard.add_segment(100, 1_000_000, 2_000_000)


def test_an_output_much_larger_than_its_source_is_said_once(tmp_path, caplog):
    (tmp_path / "in.mp4").write_bytes(bytes(100_000))
    info = VideoInfo(
        tmp_path / "in.mp4", 64, 48, Fraction(25), Fraction(1, 25), frames=1000, duration_s=40.0
    )
    guard = SizeGuard(info, tmp_path / "o.mkv", min_bytes=1e5)
    guard.add_segment(100, 30_000, 30_000)
    assert not caplog.text
    guard.add_segment(100, 300_000, 330_000)
    guard.add_segment(100, 300_000, 630_000)
    assert caplog.text.count("times its source") == 1
