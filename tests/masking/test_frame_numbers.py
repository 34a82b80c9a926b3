import re

import pytest

from outtake.core.errors import ConfigError
from outtake.masking.frame_numbers import match_names, number_in_name, number_masks


def found(names, count, **options):
    return number_masks(names, count, exact=True, **options)


def test_the_last_number_of_a_name_counts():
    assert number_in_name("clip2_mask_00012.png") == 12
    assert number_in_name("mask.png") is None


def test_as_many_masks_as_frames_are_paired_in_order():
    assert found(["0.png", "10.png"], 2).frames is None
    assert number_masks(["0.png", "1.png"], 4, exact=False).frames is None


def test_names_with_gaps_are_frame_numbers_and_the_rest_is_counted():
    numbers = found(["00002.png", "00005.png"], 9)
    assert numbers.frames == (2, 5)
    assert "7 frames have none" in (numbers.message or "")
    assert found(["1.png", "3.png"], 3).frames == (0, 2)


def test_names_of_pictures_are_compared_with_those_of_masks():
    pictures = [f"img_{n:04d}.jpg" for n in range(100, 110)]
    assert found(["img_0103.png", "img_0104.png"], 10, frame_names=pictures).frames == (3, 4)


def test_names_of_frames_come_before_their_numbers_and_their_order():
    pictures = ["a.jpg", "b.jpg", "beach.jpg", "c.jpg"]
    assert found(["beach.png", "c.png"], 4, frame_names=pictures).frames == (2, 3)
    assert found(["a.png", "b.png", "beach.png", "c.png"], 4, frame_names=pictures).frames is None
    assert match_names(["v/c.png", r"v\a.png"], pictures) == (3, 0)
    assert match_names(["a.png", "z.png"], pictures) is None
    assert match_names(["1/a.png", "2/a.png"], pictures) is None, "two of one name"
    assert match_names(["a.png"], ["a.jpg", "a.png"]) is None, "two frames of one name"


def test_what_an_error_advises_puts_masks_on_their_frames():
    names = [f"{number:06d}.png" for number in (3, 4, 5)]
    with pytest.raises(ConfigError) as raised:
        found(names, 20)
    said = str(raised.value)
    advised = [int(base) for base in re.findall(r"masks\.first=(\d+) if .*? from \1", said)]
    assert advised == [0, 1]
    assert [found(names, 20, first=base).frames for base in advised] == [(3, 4, 5), (2, 3, 4)]
    with pytest.raises(ConfigError, match=r"frame: masks\.first=1 if|one: masks\.first=1 if"):
        found(["19.png", "20.png"], 20)
    with pytest.raises(ConfigError, match=r"one: masks\.first=NUMBER, .* masks\.offset=FRAME"):
        found(["5000.png", "5001.png"], 20)


def test_the_first_number_can_be_said():
    assert found(["8.png", "9.png"], 6, first=7).frames == (1, 2)
    with pytest.raises(ConfigError, match=r"masks\.first=1: .* unlike mask\.png"):
        found(["mask.png", "1.png"], 3, first=1)


@pytest.mark.parametrize(
    ("names", "frames", "said"),
    [
        (
            ["0.png", "1.png"],
            5,
            r"2 masks, and the clip 5 frames; .* masks\.first=0 if their names",
        ),
        (["a.png", "b.png"], 5, "2 masks, and the clip 5 frames; give one for each$"),
        (["0.png", "1.png", "2.png"], 2, r"3 masks, and the clip 2 frames; .* read\.start"),
        (["0.png", "80.png"], 50, r"80\.png would be the mask of frame 80, .* 50 .*masks\.first"),
    ],
)
def test_a_count_that_can_not_fit_is_an_error(names, frames, said):
    with pytest.raises(ConfigError, match=said):
        found(names, frames)
