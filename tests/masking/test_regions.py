from fractions import Fraction

import numpy as np
import pytest

from outtake.core.errors import ConfigError
from outtake.core.frames import MaskedFrame
from outtake.core.types import TimedFrame
from outtake.masking.regions import Region, add_regions, scale_region


def frame(pts):
    image = np.zeros((10, 20, 3), np.uint8)
    return MaskedFrame(TimedFrame(image, pts, Fraction(1, 10)), np.zeros((10, 20), bool))


def test_a_region_is_there_from_a_time_to_a_time_of_the_clip():
    region = Region.from_config({"box": [2, 1, 3, 4], "from": "0:01", "to": 2}, "regions[0]")
    frames = [frame(pts) for pts in (5, 15, 24, 25)]
    out = list(add_regions(frames, [region], Fraction(1, 2)))
    assert [int(each.mask.sum()) for each in out] == [0, 12, 12, 0]
    assert out[1].mask[1:5, 2:5].all() and not frames[1].mask.any()


def test_sides_may_be_parts_of_the_picture():
    region = Region.from_config({"box": ["10%", "50%", "50%", "30%"]}, "regions[0]")
    (out,) = add_regions([frame(0)], [region], Fraction(0))
    assert out.mask[5:8, 2:12].all() and out.mask.sum() == 30


def test_a_region_keeps_its_place_in_a_smaller_picture():
    region = Region.from_config({"box": [20, 10, 20, 10]}, "regions[0]")
    (out,) = add_regions([frame(0)], [scale_region(region, (20, 40))], Fraction(0))
    assert out.mask[5:, 10:].all() and out.mask.sum() == 50


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"from": 1}, r"regions\[0\]: it has no box"),
        ({"box": [0, 0, 1, 1], "until": 3}, r"regions\[0\]\.until: no such key"),
        ({"box": [0, 0, 1]}, r"regions\[0\]\.box=\[0, 0, 1\]: must be \[x,y,width,height\]"),
        ({"box": [0, 0, 1, -2]}, r"regions\[0\]\.box: -2 must be a whole number"),
        ({"box": [0, 0, 0, 5]}, "width and height must be above 0"),
        ({"box": [0, 0, 1, 1], "from": "soon"}, r"regions\[0\]\.from=soon: give seconds"),
        ({"box": [0, 0, 1, 1], "from": 3, "to": 2}, r"regions\[0\]\.to=2: must be after"),
    ],
)
def test_what_is_no_region_says_why(values, said):
    with pytest.raises(ConfigError, match=said):
        Region.from_config(values, "regions[0]")


def test_a_box_beside_the_picture_is_refused():
    region = Region.from_config({"box": [20, 0, 5, 5]}, "regions[0]")
    with pytest.raises(ConfigError, match=r"regions\[0\]\.box=\[20,0,5,5\]: holds no pixel"):
        region.check_size(10, 20, "regions[0]")


def test_a_region_that_begins_after_the_end_is_said():
    late = Region.from_config({"box": [0, 0, 2, 2], "from": "0:03"}, "regions[0]")
    said = late.explain_lateness(2.0, "regions[0]")
    assert said is not None and "begins at 3 s, and the clip ends at about 2 s" in said
    assert late.explain_lateness(4.0, "regions[0]") is late.explain_lateness(None, "") is None
