import pytest

from outtake.annotations.yolo_text import read_yolo


def test_boxes_and_confidences_are_those_of_predictions():
    lines = "2 0.5 0.5 0.2 0.4\n\n1 0.1 0.1 0.2 0.1 0.2 0.2 0.9\n"
    box, ring = read_yolo(lines, predicted=True)
    assert box.number == 2 and box.rings[0].min(0).tolist() == pytest.approx([0.4, 0.3])
    assert ring.number == 1 and ring.rings[0].shape == (3, 2)
    for place, line in enumerate(lines.splitlines(), start=1):
        if line:
            with pytest.raises(ValueError, match=f"line {place}: .*three points"):
                read_yolo("\n" * (place - 1) + line, predicted=False)


@pytest.mark.parametrize("line", ["cat 0 0 1 0 1 1", "-1 0 0 1 0 1 1", "0 0 0 1 0 1 nan"])
def test_what_is_no_class_and_no_number_is_refused(line):
    with pytest.raises(ValueError, match="line 1: "):
        read_yolo(line, predicted=False)


@pytest.mark.parametrize("predicted", [True, False])
def test_pixels_are_not_taken_for_shares(predicted):
    with pytest.raises(ValueError, match=r"line 1: 40 is no share of .* 0 to 1; divide pixels by"):
        read_yolo("0 0 0 40 0 40 30", predicted=predicted)
    (rounded,) = read_yolo("0 -0.001 0 1.002 0 1 1", predicted=predicted)
    assert rounded.area() > 0.4


@pytest.mark.parametrize(("line", "points"), [("0 0.1 0.1", 1), ("0 0.1 0.1 0.9", 1), ("0 0.9", 0)])
def test_a_prediction_of_a_pixel_or_none_has_no_area(line, points):
    (shape,) = read_yolo(line, predicted=True)
    assert sum(map(len, shape.rings)) == points and shape.area() == 0
    with pytest.raises(ValueError, match=r"line 1: .*three points"):
        read_yolo(line, predicted=False)
