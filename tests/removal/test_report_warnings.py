import pytest

from outtake.core.frames import FillStatistics, MaskStatistics
from outtake.removal.report import RemovalReport
from outtake.removal.report_warnings import HighFigure, find_high_figure

RATE = 25


def report_of(frames: int, hole: float = 0.1, **options) -> RemovalReport:
    report = RemovalReport(**options)
    for number in range(frames):
        report.add(number / RATE, hole, FillStatistics(observed=1), MaskStatistics())
    return report


def with_figures(frames: int, figures, hole: float = 0.1, **options) -> list[str]:
    """Return the warnings of a clip whose frames have the statistics that ``figures`` returns."""
    report = RemovalReport(**options)
    for number in range(frames):
        fill, mask = figures(number)
        report.add(number / RATE, hole, FillStatistics(observed=1, **fill), MaskStatistics(**mask))
    return report.warnings()


def columns(values, holes=None):
    times = [number / RATE for number in range(len(values))]
    return list(values), times, list(holes or [0.1] * len(values))


def test_a_good_removal_says_nothing():
    assert report_of(50).warnings() == []


@pytest.mark.parametrize("values", [[0.0] * 50, [None] * 50, []])
def test_a_figure_that_is_low_or_unknown_is_not_high(values):
    assert find_high_figure(*columns(values), 0.5) is None


def test_a_single_frame_is_not_enough_but_a_second_is():
    values = [0.0] * 100
    values[40] = 1.0
    assert find_high_figure(*columns(values), 0.3) is None
    values[40:65] = [1.0] * 25
    assert find_high_figure(*columns(values), 0.3).mean == pytest.approx(1)


def test_two_frames_are_named_the_worst_first_and_apart():
    values = [0.0] * 200
    values[20:50], values[120:150] = [0.6] * 30, [0.7] * 30
    values[140], values[142], values[30] = 0.99, 0.98, 0.9
    # One that stands alone is not named, however high it is.
    values[80] = 1.0
    found = find_high_figure(*columns(values), 0.5)
    assert found.times_s == (140 / RATE, 30 / RATE)
    assert found.mean == pytest.approx((28 * 0.7 + 0.99 + 0.98) / 30, abs=0.02)


def test_frames_count_by_the_size_of_their_holes():
    values, holes = [1.0] * 30 + [0.0] * 60, [0.001] * 30 + [0.3] * 60
    assert find_high_figure(*columns(values, holes), 0.5) is None


def test_a_clip_shorter_than_a_second_is_looked_at_as_a_whole():
    found = find_high_figure(*columns([0.2, 0.9, 0.7]), 0.5)
    assert found == HighFigure(pytest.approx(0.6), (1 / RATE,))


@pytest.mark.parametrize(
    ("fill", "mask", "said"),
    [
        ({"disputed": 0.3}, {}, "disagree in 30% of what was observed, most at"),
        ({"rim_step": 9.0}, {}, "the edge of the fill is harder"),
        ({"rim_moves_with_hole": 0.3}, {}, "masks are too small: 30% of what lies at their rim"),
        ({}, {"uncertain_share": 0.9}, "its doubts add up to 0.9 times the area of the masks"),
        ({}, {"jump": 0.6}, "60% of them appears or vanishes from one frame to the next"),
    ],
)
def test_what_is_high_for_a_second_is_said_in_one_line_with_its_time(fill, mask, said):
    bad = range(30, 60)
    (line,) = with_figures(100, lambda number: (fill, mask) if number in bad else ({}, {}))
    assert said in line and "\n" not in line
    time_s = float(line.split("most at ")[1].split(" s")[0])
    assert 30 / RATE <= time_s < 60 / RATE


def test_the_advice_is_to_label_frames_where_a_network_made_the_masks():
    def figures(number):
        return {}, {"jump": 0.6}

    (line,) = with_figures(40, figures)
    assert "label two of these frames" in line
    (line,) = with_figures(40, figures, from_network=False)
    assert "label" not in line and "look at" in line


def contents_of(hole: float, contents: dict[str, int], **options) -> list[str]:
    report = RemovalReport(**options)
    for number in range(3):
        report.add(number / RATE, hole, None, MaskStatistics(contents=contents))
    return report.warnings()


def test_a_removal_that_did_nothing_says_what_was_seen_instead():
    (line,) = contents_of(0.0, {"road": 610, "sky": 300, "fence": 85, "pole": 5})
    assert line == (
        "nothing was removed: the masks of all 3 frames are empty; the labels are road (61.0%), "
        "sky (30.0%), fence (8.5%)"
    )
    (line,) = contents_of(0.0, {"0": 990, "1": 10}, from_network=False)
    assert line.endswith("the pictures of the masks hold the values 0 (99.0%), 1 (1.0%)")


def test_a_removal_of_nearly_everything_says_so():
    (line,) = contents_of(0.97, {"255": 970, "0": 30}, from_network=False)
    assert line.startswith("more than 90% of the picture was removed in every frame, 97.0% on")
    assert "255 (97.0%), 0 (3.0%)" in line


def test_it_is_no_fault_if_a_remover_needs_no_mask_or_some_frames_have_one():
    assert contents_of(0.0, {"road": 1}, needs_mask=False) == []
    report = report_of(5, hole=0.0)
    report.add(1.0, 0.01)
    assert report.warnings() == []
    report = report_of(5, hole=0.95)
    report.add(1.0, 0.5)
    assert report.warnings() == []
