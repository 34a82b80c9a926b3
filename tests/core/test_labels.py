import numpy as np
import pytest

from outtake.core.errors import ConfigError, UnknownClassError
from outtake.core.labels import LabelSpace, distinct_colours


def test_the_position_of_a_name_is_its_id():
    space = LabelSpace.from_names(("road", "car", "person"))
    assert space.ids(["person", "road"]) == (2, 0)


def test_an_unknown_name_suggests_the_nearest_and_lists_all():
    with pytest.raises(UnknownClassError, match=r"did you mean 'car'.* road, car"):
        LabelSpace.from_names(("road", "car")).ids(["cart"])


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ((), "classes: there is no class, and 2 to 255 are needed; what none of the names means"),
        (("car",), r"classes: there is 1 \(car\), and 2 to 255 are needed; .*, as background"),
        (("car", "bus", "car"), "classes: several are called car; give each a name of its own"),
    ],
)
def test_too_few_classes_and_one_name_for_two_are_said_with_what_to_do(names, said):
    with pytest.raises(ConfigError, match=said):
        LabelSpace.from_names(names)


def test_fixed_colours_differ_and_none_is_black():
    colours = distinct_colours(254)
    assert len(set(colours)) == 254 and (0, 0, 0) not in colours


def test_the_palette_is_black_where_there_is_no_class():
    palette = LabelSpace.from_names(("a", "b"), [(1, 2, 3), (4, 5, 6)]).palette()
    assert palette.shape == (256, 3) and palette.dtype == np.uint8
    assert palette[:2].tolist() == [[1, 2, 3], [4, 5, 6]] and not palette[2:].any()


def test_plain_containers_bring_it_back():
    space = LabelSpace.from_names(("a", "b"))
    assert LabelSpace.from_dict(space.to_dict()) == space


@pytest.mark.parametrize(
    ("names", "colours"),
    [
        (("a",), None),
        (("a", "a"), None),
        (("a", "b"), [(0, 0, 0)]),
        ([str(n) for n in range(256)], None),
    ],
)
def test_classes_that_cannot_be_are_refused(names, colours):
    with pytest.raises(ConfigError):
        LabelSpace.from_names(names, colours)


def test_classes_with_names_differ_by_their_names_alone():
    space = LabelSpace.from_names(("a", "b"))
    assert space.difference(LabelSpace.from_names(("a", "b"), [(1, 1, 1), (2, 2, 2)])) is None
    assert "a, b there, a, c here" in str(space.difference(LabelSpace.from_names(("a", "c"))))


def test_made_up_names_are_what_they_stand_for():
    names, red, blue = ("class_0", "class_1"), [(0, 0, 0), (255, 0, 0)], [(0, 0, 0), (0, 0, 255)]
    by_colour = LabelSpace.from_names(names, red, known_by="colour")
    said = by_colour.difference(LabelSpace.from_names(names, blue, known_by="colour"))
    assert said == "class_1 has the colour [255, 0, 0] there and [0, 0, 255] here"
    by_value = LabelSpace.from_names(names, red, known_by="value")
    assert by_colour.difference(by_value) and by_value.difference(by_colour)
    for same in (by_colour, LabelSpace.from_names(names, red)):
        assert by_colour.difference(same) is None
    assert LabelSpace.from_dict(by_colour.to_dict()) == by_colour
