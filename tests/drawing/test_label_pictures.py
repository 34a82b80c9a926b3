import os

import numpy as np
import pytest
from PIL import Image

from outtake.core.errors import OutputError
from outtake.core.labels import LabelSpace
from outtake.drawing.label_pictures import (
    colourise,
    draw_colour_key,
    draw_contact_sheet,
    join_side_by_side,
    overlay_labels,
    save_png,
    save_small_png,
)

SPACE = LabelSpace.from_names(("road", "car"), [(10, 20, 30), (200, 100, 50)])
LABELS = np.zeros((60, 90), np.uint8)
LABELS[20:40, 30:60] = 1


def test_labels_become_their_colours():
    painted = colourise(LABELS, SPACE.palette())
    assert painted.shape == (60, 90, 3) and painted.dtype == np.uint8
    assert tuple(painted[0, 0]) == (10, 20, 30) and tuple(painted[30, 45]) == (200, 100, 50)


def test_an_overlay_blends_and_leaves_its_input_alone():
    frame = np.full((60, 90, 3), 100, np.uint8)
    tinted = overlay_labels(frame, LABELS, SPACE.palette(), 0.5)
    assert tuple(tinted[30, 45]) == (150, 100, 75)
    assert (frame == 100).all()
    assert np.array_equal(overlay_labels(frame, LABELS, SPACE.palette(), 0.0), frame)
    assert np.array_equal(
        overlay_labels(frame, LABELS, SPACE.palette(), 1.0), colourise(LABELS, SPACE.palette())
    )


@pytest.mark.parametrize("size", [(60, 90), (7, 5), (720, 1280)])
@pytest.mark.parametrize("classes", [2, 11, 60])
def test_a_legend_fits_any_frame(size, classes):
    names = [f"class number {index}" for index in range(classes)]
    palette = LabelSpace.from_names(names).palette()
    frame = np.full((*size, 3), 100, np.uint8)
    plain = overlay_labels(frame, np.zeros(size, np.uint8), palette)
    named = overlay_labels(frame, np.zeros(size, np.uint8), palette, legend=names)
    assert named.shape == plain.shape and not np.array_equal(named, plain)


def test_two_pictures_stand_beside_each_other():
    left, right = np.zeros((10, 20, 3), np.uint8), np.full((10, 30, 3), 9, np.uint8)
    both = join_side_by_side(left, right)
    assert both.shape == (10, 52, 3)
    assert (both[:, :20] == 0).all() and (both[:, 20:22] == 255).all() and (both[:, 22:] == 9).all()
    titled = join_side_by_side(
        np.zeros((90, 200, 3), np.uint8), np.zeros((90, 200, 3), np.uint8), captions=("a", "b")
    )
    assert titled[:20, :20].max() > 200 and titled[:20, 202:222].max() > 200


def test_a_contact_sheet_holds_every_picture():
    red, blue = (np.full((60, 80, 3), colour, np.uint8) for colour in ((200, 0, 0), (0, 0, 200)))
    sheet = draw_contact_sheet(
        [[red, blue], [blue]], ["left", "right"], row_titles=["0 s", "1 s"], title="A sheet",
        cell_width_px=40, gap_px=4,
    )  # fmt: skip
    assert (sheet == (200, 0, 0)).all(-1).sum() == 40 * 30
    assert (sheet == (0, 0, 200)).all(-1).sum() == 2 * 40 * 30
    assert (sheet[:4] > 240).all() and (sheet[:, -4:] > 240).all()


def test_a_strip_in_a_contact_sheet_is_no_higher_than_an_upright_film():
    upright, strip = (np.full(size, 9, np.uint8) for size in ((160, 90, 3), (2000, 20, 3)))
    heights = [draw_contact_sheet([[one]], cell_width_px=90).shape[0] for one in (upright, strip)]
    assert heights == [160 + 40] * 2
    shown = (draw_contact_sheet([[strip]], cell_width_px=90) == 9).all(-1)
    assert shown.sum() == 160 * 2
    assert np.flatnonzero(shown.any(axis=0)).tolist() == [20, 21]


def test_an_empty_contact_sheet_is_a_picture():
    assert draw_contact_sheet([], title="Nothing").ndim == 3


def test_png_is_written_whole_or_not_at_all(tmp_path):
    picture = np.random.default_rng(0).integers(0, 255, (9, 7, 3), np.uint8)
    path = save_png(tmp_path / "deep" / "p.png", picture)
    assert np.array_equal(np.asarray(Image.open(path)), picture)
    (tmp_path / "deep" / "folder.png").mkdir()
    with pytest.raises(OutputError):
        save_png(tmp_path / "deep" / "folder.png", picture)
    assert sorted(file.name for file in path.parent.iterdir()) == ["folder.png", "p.png"]


def test_a_small_png_fits_and_shows_the_picture(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (200, 300, 3), np.uint8)

    def draw(width_px: int) -> np.ndarray:
        return noise[: width_px // 2, :width_px]

    large = save_small_png(tmp_path / "a.png", draw, 300, 1_000_000)
    small = save_small_png(tmp_path / "b.png", draw, 300, 9_000)
    assert small.stat().st_size <= 9_000 < large.stat().st_size
    with Image.open(large) as picture:
        shown = np.asarray(picture.convert("RGB"))
    assert shown.shape == (150, 300, 3)
    assert np.abs(shown.astype(int) - draw(300)).mean() < 25


@pytest.mark.parametrize("size", [(60, 90), (7, 5), (720, 1280)])
def test_a_key_stands_in_the_lower_left_corner(size):
    image = np.full((*size, 3), 100, np.uint8)
    draw_colour_key(image, [("one", (250, 0, 0)), ("another", (0, 250, 0))])
    assert image.shape == (*size, 3) and not (image == 100).all()
    if size[0] > 200:
        corner = image[size[0] * 3 // 4 :, : size[1] // 2]
        assert (corner == (250, 0, 0)).all(-1).any() and (corner == (0, 250, 0)).all(-1).any()
        assert (image[: size[0] * 3 // 4] == 100).all()


@pytest.mark.parametrize("size", [(180, 240), (360, 480), (720, 1280)])
@pytest.mark.parametrize("classes", [2, 11, 19])
def test_every_colour_of_a_key_is_whole_and_inside(size, classes):
    entries = [(f"class {place}", (250, 5 * place, 40)) for place in range(classes)]
    image = np.full((*size, 3), 100, np.uint8)
    draw_colour_key(image, entries)
    swatches = [np.argwhere((image == colour).all(-1)) for _, colour in entries]
    sizes = {tuple(np.ptp(each, axis=0)) for each in swatches if len(each)}
    assert all(len(each) for each in swatches) and len(sizes) == 1, sizes


def test_names_of_every_kind_are_drawn():
    names = [os.fsdecode(b"caf\xe9 \xff.png"), "日本", "a\nb", "plain"]
    rows = [[colourise(LABELS, SPACE.palette())]] * 4
    sheet = draw_contact_sheet(rows, names[:1], row_titles=names, title=names[0])
    assert sheet.ndim == 3


def test_the_background_keeps_its_colours_in_an_overlay():
    space = LabelSpace.from_names(("sky", "background", "car"))
    assert space.background_id == 1
    assert LabelSpace.from_names(("sky", "car")).background_id is None
    frame = np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8)
    labels = np.repeat(np.arange(3, dtype=np.uint8), 30)[:, None].repeat(120, 1)
    tinted = overlay_labels(frame, labels, space.palette(), background=space.background_id)
    everywhere = overlay_labels(frame, labels, space.palette())
    assert np.array_equal(tinted[30:60], frame[30:60])
    assert np.array_equal(tinted[:30], everywhere[:30]) and not np.array_equal(tinted, everywhere)
    named = overlay_labels(frame, labels, space.palette(), legend=space.names, background=1)
    assert (named != tinted).any()
