import json
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from outtake.removal import MaskedFrame, RemovalReport
from outtake.removal.report import report_path, write_report
from outtake.types import TimedFrame


def test_each_stage_is_charged_for_its_own_time_only():
    report = RemovalReport()

    def slow(items, seconds):
        for item in items:
            time.sleep(seconds)
            yield item

    first = report.timed("first", slow(range(5), 0.002))
    second = report.timed("second", slow(first, 0.01))
    assert list(second) == list(range(5))
    assert 0.01 <= report.stage_s["first"] < 0.04
    assert 0.05 <= report.stage_s["second"] < 0.09


def test_it_notes_the_share_of_every_frame_that_is_hole(tmp_path):
    report = RemovalReport()
    mask = np.zeros((4, 4), bool)
    mask[0] = True
    empty = TimedFrame(np.zeros((4, 4, 3), np.uint8), 0, Fraction(1, 10))
    clip = [
        MaskedFrame(TimedFrame(empty.image, pts, empty.time_base), mask & (pts > 0))
        for pts in (0, 5)
    ]
    assert list(report.masks(clip)) == clip
    record = report.record(output="x.mp4")
    assert record["per_frame"] == {"time_s": [0.0, 0.5], "hole_share": [0.0, 0.25]}
    assert record["hole_share"] == {"mean": 0.125, "max": 0.25, "frames_without": 1}
    path = write_report(tmp_path / "x.mp4", record)
    assert path == tmp_path / "x.report.json"
    assert json.loads(path.read_text())["frames"] == 2


@pytest.mark.parametrize(
    ("output", "name"), [("a/b.mp4", "b.report.json"), ("a/b", "b.report.json")]
)
def test_the_report_lies_beside_its_output(output, name):
    assert report_path(Path(output)) == Path("a") / name
