import numpy as np
import pytest
from PIL import Image

from outtake.core.errors import ConfigError
from outtake.masking.mask_picture import MaskPicture, read_mask_picture
from outtake.masking.mask_values import MaskValueOptions, explain_doubt, find_meaning
from outtake.video.read.safety_limits import SafetyLimits


def removed(values, options=None, **picture):
    shown = MaskPicture(np.asarray(values), **picture)
    meaning = find_meaning([shown], options or MaskValueOptions())
    return meaning.to_mask(shown, "m").tolist()


def ramp(dtype, high):
    return np.linspace(0, high, 64).astype(dtype).reshape(8, 8)


def test_few_values_are_ids_and_many_are_a_matte():
    assert removed(np.array([[0, 1, 2]], np.uint8)) == [[0, 1, 1]]
    assert removed(np.array([[0, 38, 75]], np.uint8)) == [[0, 1, 1]]
    assert np.sum(removed(ramp(np.uint8, 255))) == 32


def test_values_of_a_lossy_picture_are_never_ids():
    assert removed(np.array([[0, 2, 127, 128]], np.uint8), lossy=True) == [[0, 0, 0, 1]]


@pytest.mark.parametrize(
    ("dtype", "high"), [(np.uint16, 65535), (np.uint16, 255), (np.float32, 1), (np.float32, 255)]
)
def test_half_is_half_of_white_whatever_the_type(dtype, high):
    assert np.sum(removed(ramp(dtype, high))) == 32


def test_alpha_counts_only_where_it_tells_something():
    values = np.array([[0, 255]], np.uint8)
    assert removed(values, alpha=np.array([[255, 0]], np.uint8)) == [[1, 0]]
    assert removed(values, alpha=np.array([[255, 255]], np.uint8)) == [[0, 1]]
    luma = MaskValueOptions(channel="luma")
    assert removed(values, luma, alpha=np.array([[255, 0]], np.uint8)) == [[0, 1]]
    with pytest.raises(ConfigError, match=r"masks\.channel: .* no alpha; masks\.channel=luma"):
        removed(values, MaskValueOptions(channel="alpha"))


def test_ids_are_exact_and_need_numbers():
    values = np.array([[0, 1, 2, 3]], np.uint8)
    assert removed(values, MaskValueOptions(ids=[1, 3])) == [[0, 1, 0, 1]]
    assert removed(values, MaskValueOptions(ids=[1, 3], invert=True)) == [[1, 0, 1, 0]]
    with pytest.raises(ConfigError, match=r"masks\.ids=\[1\]: .* masks\.channel=red"):
        removed(np.full((2, 2, 3), [1, 2, 3], np.uint8), MaskValueOptions(ids=[1]))
    with pytest.raises(ConfigError, match=r"masks\.threshold=0\.2: .* masks\.ids"):
        removed(values, MaskValueOptions(threshold=0.2), indexed=True)


def test_a_threshold_that_was_given_wins():
    assert removed(np.array([[0, 60, 200]], np.uint8), MaskValueOptions(threshold=0.5)) == [
        [0, 0, 1]
    ]


@pytest.mark.parametrize(
    ("values", "options", "said"),
    [
        (np.full((4, 4), 255, np.uint8), {}, "100% of the picture is marked .* masks.invert=true"),
        (ramp(np.uint8, 90), {}, "nothing in the picture exceeds 0.5 .*0.353.* masks.threshold"),
        (np.zeros((4, 4), np.uint8), {}, "nothing is marked in the picture"),
        (np.eye(4, dtype=np.uint8), {"ids": [2]}, r"nothing in the picture has one of masks\.ids"),
        (np.eye(4, dtype=np.uint8), {}, None),
    ],
)
def test_what_looks_wrong_has_a_line(values, options, said):
    import re

    given, shown = MaskValueOptions(**options), [MaskPicture(values)]
    line = explain_doubt(shown, find_meaning(shown, given), given)
    assert line is None if said is None else re.search(said, line)


VOC_CAR = [0, 0, 0, 128, 0, 0, 0, 128, 0, 128, 128, 0, 0, 0, 128, 128, 0, 128, 0, 128, 128]
VOC_CAR += [128, 128, 128, 64, 0, 0]


def test_an_id_is_found_in_a_picture_that_shows_only_what_is_grey_in_the_palette(tmp_path):
    """In the palette of Pascal VOC, 7 is (128, 128, 128)."""
    pictures = []
    for number, ids in enumerate(([0, 2, 7], [0, 7, 7])):
        image = Image.fromarray(np.array([ids], np.uint8), "P")
        image.putpalette(VOC_CAR)
        image.save(tmp_path / f"{number}.png")
        pictures.append(read_mask_picture(tmp_path / f"{number}.png", SafetyLimits()))
    for shown in (pictures, pictures[1:]):
        meaning = find_meaning(shown, MaskValueOptions(ids=[7]))
        assert [meaning.to_mask(each, "m").sum() for each in pictures] == [1, 2]
    assert find_meaning(pictures, MaskValueOptions()).found == " 0, 2, 7"
    assert meaning.count_contents(pictures[1], "m").keys() == {"0"}  # the first pixel of a step


def test_the_brightness_and_the_red_of_a_palette_are_those_of_its_colours(tmp_path):
    image = Image.fromarray(np.array([[0, 1, 2, 3]], np.uint8), "P")
    image.putpalette([0, 0, 0, 255, 255, 255, 60, 0, 0])
    image.save(tmp_path / "m.png")
    picture = read_mask_picture(tmp_path / "m.png", SafetyLimits())
    for given, marked in (
        ({}, [0, 1, 1, 1]),
        ({"channel": "luma", "threshold": 0.5}, [0, 1, 0, 0]),
        ({"channel": "luma"}, [0, 1, 1, 0]),
        ({"channel": "red", "ids": [60]}, [0, 0, 1, 0]),
        ({"ids": [2]}, [0, 0, 1, 0]),
    ):
        meaning = find_meaning([picture], MaskValueOptions(**given))
        assert meaning.to_mask(picture, "m").tolist() == [marked], given
    assert find_meaning([picture], MaskValueOptions(channel="red")).found == " 0, 60, 255"
    assert meaning.count_contents(picture, "m") == {"0": 1}


def test_black_and_white_in_a_palette_of_greys_are_values(tmp_path):
    image = Image.fromarray(np.array([[0, 1]], np.uint8), "P")
    image.putpalette([0, 0, 0, 255, 255, 255])
    image.save(tmp_path / "m.png")
    assert read_mask_picture(tmp_path / "m.png", SafetyLimits()).values.tolist() == [[0, 255]]
