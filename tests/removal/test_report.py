import json
import weakref
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from outtake.core.errors import OutputError
from outtake.core.frames import FilledFrame, FillStatistics, MaskedFrame, MaskStatistics
from outtake.core.types import TimedFrame
from outtake.programs.infer_video import format_summary
from outtake.removal.report import (
    RemovalReport,
    check_report,
    read_report,
    report_path,
    write_report,
)


def test_it_notes_the_share_of_every_frame_that_is_hole(tmp_path):
    record = noted([(0.0, 0.0), (0.5, 0.25)]).record(output="x.mp4")
    assert record["per_frame"] == {"time_s": [0.0, 0.5], "hole_share": [0.0, 0.25]}
    assert record["hole_share"] == {"mean": 0.125, "max": 0.25, "frames_without": 1}
    path = write_report(tmp_path / "x.mp4", record)
    assert path == tmp_path / "x.report.json"
    assert json.loads(path.read_text())["frames"] == 2


def test_a_hole_of_one_pixel_is_a_hole():
    image = np.zeros((1080, 1920, 3), np.uint8)
    frame = TimedFrame(image, 0, Fraction(1))
    mask = np.zeros((1080, 1920), bool)
    report = RemovalReport()
    report.add_filled(FilledFrame(MaskedFrame(frame, mask), frame))
    assert report.record()["hole_share"] == {"mean": 0.0, "max": 0.0, "frames_without": 1}
    assert report.warnings()[0].startswith("nothing was removed: the masks of all 1 frames are emp")
    mask[500, 700] = True
    statistics = MaskStatistics(contents={"0": 10**7, "255": 1})
    report.add_filled(FilledFrame(MaskedFrame(frame, mask, statistics=statistics), frame))
    record = RemovalReport.from_segments([report.segment_record()]).record(frames_per_second=1)
    assert record["hole_share"]["frames_without"] == 1 and record["warnings"] == []
    assert record["hole_share"]["max"] == pytest.approx(1 / mask.size, rel=1e-5)
    assert record["hole_share"]["mean"] == pytest.approx(0.5 / mask.size, rel=1e-5)
    assert record["mask"]["contents"]["255"] == pytest.approx(1e-7)
    assert "less than 0.1% of the picture removed" in format_summary(record)


@pytest.mark.parametrize(
    ("output", "name"), [("a/b.mp4", "b.report.json"), ("a/b", "b.report.json")]
)
def test_the_report_lies_beside_its_output(output, name):
    assert report_path(Path(output)) == Path("a") / name


@pytest.mark.parametrize(
    ("there", "said"),
    [
        ('{"output": "elsewhere/q.mkv"}', "q.report.json is where the report of .*q.mp4 goes, but "
         "is the report of q.mkv; name another output, or set overwrite=true to replace it"),
        ('{"output": "q"}', "is the report of q;"),
        ("{}", "is no report;"),
        ("mine", "is no report;"),
        ("[3]", "is no report;"),
    ],
)  # fmt: skip
def test_what_is_not_the_outputs_report_is_replaced_only_when_asked(tmp_path, there, said):
    output = tmp_path / "q.mp4"
    check_report(output)
    report_path(output).write_text(there)
    with pytest.raises(OutputError, match=said):
        check_report(output)
    check_report(output, overwrite=True)


def test_the_outputs_own_report_may_be_replaced_wherever_its_folder_went(tmp_path):
    output = tmp_path / "q.mp4"
    write_report(output, {"output": "earlier/q.mp4", "job_sha256": "0"})
    check_report(output)
    assert read_report(output)["job_sha256"] == "0"
    assert read_report(tmp_path / "q.mkv") == {}


def test_a_folder_where_the_report_goes_is_refused_even_with_overwrite(tmp_path):
    (tmp_path / "q.report.json").mkdir()
    with pytest.raises(OutputError, match=r"q\.report\.json .*but is a folder"):
        check_report(tmp_path / "q.mp4", overwrite=True)


def fill(observed: float, propagated: float, synthesised: float, **more) -> FillStatistics:
    return FillStatistics(
        observed, propagated, synthesised, origin=np.zeros((4, 4), np.uint8), **more
    )


FRAMES = [
    (0.0, 0.1, fill(1, 0, 0, ring_residual=2.0)),
    (0.1, 0.0, FillStatistics()),
    (0.2, 0.3, fill(0.5, 0.25, 0.25, ring_residual=4.0, flicker=1.5)),
    (0.3, 0.1, fill(0, 0, 1)),
]


def noted(frames) -> RemovalReport:
    report = RemovalReport()
    for frame in frames:
        report.add(*frame)
    return report


def test_what_effects_added_to_masks_is_said_where_it_was_looked_for():
    report = RemovalReport()
    report.add(0.0, 0.1, None, MaskStatistics(shadow_share=0.0, reflection_share=0.2))
    report.add(0.5, 0.3, None, MaskStatistics(shadow_share=0.0, reflection_share=0.4))
    record = report.record(frames_per_second=1.0)
    assert record["mask"] == {"shadow_share": 0.0, "reflection_share": pytest.approx(0.35)}
    said = format_summary(record)
    assert "\n0.0% of the masks is shadows\n35.0% of the masks is reflections" in said
    plain = noted([(0.0, 0.1)]).record(frames_per_second=1.0)
    assert "of the masks" not in format_summary(plain)


def test_grain_that_was_given_is_said():
    given = noted([(0.0, 0.1, fill(1, 0, 0, grain=2.0)), (0.1, 0.3, fill(1, 0, 0, grain=4.0))])
    said = format_summary(given.record(frames_per_second=1.0))
    assert said.endswith("given grain as the picture has, 3.5 grey levels (mask.grain)")
    none = noted([(0.0, 0.1, fill(1, 0, 0, grain=0.0))]).record(frames_per_second=1.0)
    assert none["fill"]["grain"] == 0 and "grain" not in format_summary(none)


def test_a_frame_counts_by_the_size_of_its_hole():
    record = noted(FRAMES).record(output="x.mp4")
    assert record["fill"] == {
        "observed": pytest.approx((0.1 + 0.15) / 0.5),
        "propagated": pytest.approx(0.075 / 0.5),
        "synthesised": pytest.approx((0.075 + 0.1) / 0.5),
        "ring_residual": pytest.approx((0.1 * 2 + 0.3 * 4) / 0.4),
        "flicker": 1.5,
    }
    assert record["hole_share"] == {"mean": 0.125, "max": 0.3, "frames_without": 1}
    assert record["per_frame"]["synthesised"] == [0, 0, 0.25, 1]
    assert record["per_frame"]["flicker"] == [None, None, 1.5, None]
    assert record["frames"] == 4


@pytest.mark.parametrize("cuts", [[], [0], [1], [2, 3], [1, 2, 3], [4]])
def test_segments_that_are_merged_give_the_record_of_the_whole(cuts):
    bounds = [0, *cuts, len(FRAMES)]
    parts = [FRAMES[a:b] for a, b in pairwise(bounds)]
    stored = [json.loads(json.dumps(noted(part).segment_record())) for part in parts]
    assert RemovalReport.from_segments(stored).record() == noted(FRAMES).record()


def test_a_remover_that_does_not_know_says_nothing_of_the_fill():
    record = noted([(0.0, 0.5), (0.1, 0.5)]).record()
    assert "fill" not in record and set(record["per_frame"]) == {"time_s", "hole_share"}
    assert record["warnings"] == []


def test_it_warns_in_one_line_when_much_is_synthesised():
    (line,) = noted(FRAMES).record()["warnings"]
    assert line.startswith("35% of what was removed") and "at 0.30 s" in line
    assert "\n" not in line
    assert noted([(0.0, 0.2, fill(0.8, 0, 0.2))]).warnings() == []
    assert len(noted([(0.0, 0.2, fill(0.79, 0, 0.21))]).warnings()) == 1


def test_it_keeps_no_pictures():
    report = RemovalReport()
    statistics = fill(1, 0, 0)
    kept = weakref.ref(statistics.origin)
    report.add(0.0, 0.1, statistics)
    del statistics
    assert kept() is None


def test_a_clip_without_a_frame_has_a_report():
    assert RemovalReport().record()["hole_share"] == {"mean": 0.0, "max": 0.0, "frames_without": 0}
