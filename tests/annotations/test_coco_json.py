import pytest

from outtake.annotations.coco_json import CocoFile
from outtake.annotations.run_lengths import runs_to_mask

TRIANGLE = [[0, 0, 4, 0, 4, 4]]


def file_of(*records, images=((7, "a.png"), (8, "b.png"))):
    return CocoFile(
        {
            "images": [{"id": number, "file_name": name} for number, name in images],
            "annotations": [
                {"id": place, "category_id": 3, "segmentation": TRIANGLE} | record
                for place, record in enumerate(records)
            ],
            "categories": [{"id": 3, "name": "cat"}],
        }
    )


def test_annotations_of_no_image_are_counted_with_the_first():
    content = file_of({"image_id": 7}, {"image_id": 9}, {"image_id": 12})
    assert content.flaws == (
        "2 annotations are of images that it does not list (the first: 1, of image 9) and are "
        "left out",
    )


def test_ids_of_images_may_be_written_in_any_way():
    content = file_of({"image_id": 7.0}, {"image_id": "7"}, {"image_id": 8})
    counts = [len(content.shapes(image, boxes=False)) for image in content.images.values()]
    assert counts == [2, 1] and not content.flaws


def test_an_id_of_two_images_is_refused_and_one_of_two_annotations_named():
    with pytest.raises(ValueError, match=r"1 ids are of several images \(the first: 7\)"):
        file_of(images=((7, "a.png"), (7, "b.png")))
    (flaw,) = file_of({"image_id": 7, "id": 5}, {"image_id": 8, "id": 5}).flaws
    assert "1 ids are of several annotations (the first: 5)" in flaw


def test_a_box_alone_is_a_shape_only_where_that_is_wanted():
    content = file_of({"image_id": 7, "segmentation": [], "bbox": [1, 2, 3, 4]})
    image = content.images["7"]
    assert not content.shapes(image, boxes=False) and content.without_outline() == ["0"]
    (shape,) = content.shapes(image, boxes=True)
    assert shape.rings[0].tolist() == [[1, 2], [4, 2], [4, 6], [1, 6]]


def test_larger_objects_are_drawn_first():
    content = file_of({"image_id": 7, "area": 4}, {"image_id": 7, "area": 9, "iscrowd": 1})
    assert [each.crowd for each in content.shapes(content.images["7"], boxes=False)] == [
        True,
        False,
    ]


@pytest.mark.parametrize("area", [{}, {"area": 0}, {"area": None}])
def test_an_area_that_the_file_lacks_is_that_of_the_outline(area):
    small = {"image_id": 7, "segmentation": [[0, 0, 2, 0, 2, 2]]} | area
    runs = {"size": [4, 4], "counts": [4, 12]}
    content = file_of(small, {"image_id": 7, "area": 8}, {"image_id": 7, "segmentation": runs})
    shapes = content.shapes(content.images["7"], boxes=False)
    assert [shape.area() for shape in shapes] == [12, 8, 2]


def test_run_lengths_of_another_size_are_refused():
    record = {"image_id": 1, "category_id": 3, "segmentation": {"size": [2, 3], "counts": [6]}}
    image = {"id": 1, "file_name": "a.png", "height": 3, "width": 2}
    content = CocoFile({"images": [image], "annotations": [record]})
    with pytest.raises(ValueError, match="run lengths of 3x2 in an image of 2x3"):
        content.shapes(content.images["1"], boxes=False)
    assert runs_to_mask([6], 2, 3, by_columns=True).shape == (2, 3)


def test_outlines_of_two_points_are_counted_with_the_first():
    thin = [[0, 0, 4, 0, 4, 4], [1, 1, 5, 5]]
    content = file_of({"image_id": 7}, {"image_id": 8, "segmentation": thin})
    assert content.flaws == (
        "1 annotations have outlines of fewer than three points (the first: 1, of image 8), which "
        "are not drawn",
    )


def test_an_annotation_that_is_damaged_is_named_by_its_id():
    content = file_of({"image_id": 7}, {"image_id": 7, "id": 17, "segmentation": [[1, 2, 3]]})
    with pytest.raises(ValueError, match="annotation 17: an outline is not made of pairs"):
        content.shapes(content.images["7"], boxes=False)
