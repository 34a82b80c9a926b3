import numpy as np
import pytest

from outtake.annotations.cvat_xml import cvat_images, read_cvat_tracks
from outtake.annotations.xml_tree import parse_xml


def shapes_of(body):
    (image,) = cvat_images(parse_xml(f'<a><image name="a.png">{body}</image></a>'.encode()))
    return image.shapes()


def test_higher_shapes_come_last_and_tags_are_no_shapes():
    box = '<box label="{}" xtl="0" ytl="0" xbr="4" ybr="2" z_order="{}"/>'
    found = shapes_of(box.format("a", 2) + '<tag label="x"/>' + box.format("b", 1))
    assert [each.label for each in found] == ["b", "a"]


def test_a_turned_box_and_ellipse_are_turned_about_their_middle():
    box, ellipse = shapes_of(
        '<box label="a" xtl="0" ytl="0" xbr="4" ybr="2" rotation="90"/>'
        '<ellipse label="a" cx="5" cy="6" rx="3" ry="1" rotation="90"/>'
    )
    assert np.allclose(box.rings[0], [[3, -1], [3, 3], [1, 3], [1, -1]])
    assert np.ptp(ellipse.rings[0], axis=0) == pytest.approx([2, 6], abs=0.01)


def test_objects_that_are_outside_a_frame_are_not_in_it():
    size = "<original_size><height>8</height><width>9</width></original_size>"
    box = '<box frame="{}" outside="{}" xtl="0" ytl="0" xbr="4" ybr="2"/>'
    track = f'<track label="a">{box.format(3, 0)}{box.format(1, 0)}{box.format(4, 1)}</track>'
    found = read_cvat_tracks(parse_xml(f"<a><meta><task>{size}</task></meta>{track}</a>".encode()))
    assert found.size == (8, 9) and list(found.frames) == [1, 3]


def test_a_polygon_of_two_points_is_counted_as_one_without_area():
    polygon = '<polygon label="a" points="{}"/>'
    body = polygon.format("0,0;4,0;4,4") + polygon.format("0,0;4,4") + '<points points="1,1"/>'
    (image,) = cvat_images(parse_xml(f'<a><image name="a.png">{body}</image></a>'.encode()))
    assert image.count_without_area() == 2


def test_a_shape_that_is_damaged_is_named_by_its_place():
    with pytest.raises(ValueError, match=r"^box 2 \(b\): 'xbr' is missing"):
        shapes_of('<tag label="x"/><box label="b" xtl="0" ytl="0"/>')
