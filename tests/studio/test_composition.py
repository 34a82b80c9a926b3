"""What layers look like over a frame: placed, scaled, turned, see-through, in their order."""

import cv2
import numpy as np
import pytest

from outtake.studio.composition import compose, layer_matrix

SIZE = (60, 90)


def layer(picture="a", x=45.0, y=30.0, scale=100, angle=0, opacity=100, **more):
    return {
        "id": 1, "picture": picture, "name": "a", "x": x, "y": y, "scale_x": scale,
        "scale_y": scale, "angle": angle, "opacity": opacity, "group": 0, "shown": True,
    } | more  # fmt: skip


@pytest.fixture
def pictures():
    rng = np.random.default_rng(0)
    a = rng.integers(0, 256, (10, 16, 4)).astype(np.uint8)
    a[..., 3] = 255
    b = rng.integers(0, 256, (21, 13, 4)).astype(np.uint8)
    return {"a": a, "b": b}


@pytest.fixture
def frame():
    return np.random.default_rng(1).integers(0, 256, (*SIZE, 3)).astype(np.uint8)


def test_an_unturned_layer_on_whole_pixels_is_pasted_bit_for_bit(pictures, frame):
    drawn = compose([layer(x=20, y=15)], pictures.__getitem__, SIZE, frame)
    wanted = frame.copy()
    wanted[10:20, 12:28] = pictures["a"][..., :3]
    assert np.array_equal(drawn, wanted)
    alone = compose([layer("b", x=36.5, y=10.5)], pictures.__getitem__, SIZE, None)
    seen = pictures["b"].copy()
    assert np.array_equal(alone[:21, 30:43, 3], seen[..., 3])
    full = seen[..., 3] > 40  # little alpha leaves few grey levels
    assert np.abs(alone[:21, 30:43][full].astype(int) - seen[full]).max() <= 1
    assert not alone[:, :30].any() and not alone[22:].any()


def test_right_angles_turn_pixels_without_a_change(pictures, frame):
    turned = compose([layer(x=45, y=30, angle=90)], pictures.__getitem__, SIZE, frame)
    wanted = frame.copy()
    wanted[22:38, 40:50] = np.rot90(pictures["a"][..., :3], -1)
    assert np.array_equal(turned, wanted)
    half = compose([layer(x=45, y=30, angle=180)], pictures.__getitem__, SIZE, frame)
    back = compose([layer(x=45, y=30, angle=-180)], pictures.__getitem__, SIZE, frame)
    assert np.array_equal(half[25:35, 37:53], pictures["a"][::-1, ::-1, :3])
    assert np.array_equal(half, back)


def test_opacity_and_alpha_mix_as_over_does(pictures, frame):
    given = [layer(x=40, y=30, opacity=60), layer("b", x=44.5, y=28.5, opacity=30)]
    drawn = compose(given, pictures.__getitem__, SIZE, frame)
    wanted = frame.astype(np.float64)
    for each, opacity, (top, left) in (("a", 0.6, (25, 32)), ("b", 0.3, (18, 38))):
        picture = pictures[each].astype(np.float64)
        height, width = picture.shape[:2]
        part = wanted[top : top + height, left : left + width]
        share = picture[..., 3:] / 255 * opacity
        part[:] = picture[..., :3] * share + part * (1 - share)
    assert np.abs(drawn - wanted).max() <= 0.51
    assert not np.array_equal(drawn, compose(given[::-1], pictures.__getitem__, SIZE, frame))
    hidden = [given[0] | {"shown": False}, given[1] | {"opacity": 0}]
    assert np.array_equal(compose(hidden, pictures.__getitem__, SIZE, frame), frame)


def test_over_nothing_and_then_over_the_frame_is_over_the_frame(pictures, frame):
    given = [layer(x=40.3, y=29.8, angle=20, opacity=70), layer("b", angle=-70, scale=180)]
    alone = compose(given, pictures.__getitem__, SIZE, None).astype(np.float64)
    share = alone[..., 3:] / 255
    joined = alone[..., :3] * share + frame * (1 - share)
    drawn = compose(given, pictures.__getitem__, SIZE, frame)
    assert np.abs(joined - drawn).max() < 1.6  # colours and alpha were each rounded


@pytest.mark.parametrize(("scale", "angle"), [(100, 33), (250, -120), (37, 10), (20, 75)])
def test_scaled_and_turned_layers_lie_where_the_matrix_says(scale, angle):
    picture = np.zeros((40, 60, 4), np.uint8)
    picture[..., 3], picture[..., 0] = 255, 200
    given = layer(x=150.25, y=141.5, scale=scale, angle=angle)
    drawn = compose([given], lambda digest: picture, (300, 300), None)
    matrix = layer_matrix(given, (40, 60))
    corners = np.array([[0, 0, 1], [60, 0, 1], [60, 40, 1], [0, 40, 1]]) @ matrix.T
    # As an exact polygon, drawn 16 times larger and averaged.
    large = np.zeros((300 * 16, 300 * 16), np.uint8)
    cv2.fillPoly(large, [np.rint(corners * 16 - 0.5).astype(np.int32)], 255)
    wanted = large.reshape(300, 16, 300, 16).mean(axis=(1, 3))
    away = np.abs(drawn[..., 3] - wanted)
    assert away.mean() < 0.4 and (away > 130).sum() == 0
    assert (drawn[..., 0][drawn[..., 3] > 0] == 200).mean() > 0.99
    assert drawn[..., 3].sum() / 255 == pytest.approx(2400 * (scale / 100) ** 2, rel=0.03)


def test_a_smaller_layer_is_averaged_not_sampled():
    picture = np.zeros((64, 64, 4), np.uint8)
    picture[::2, :, :3], picture[..., 3] = 255, 255
    drawn = compose([layer(x=20, y=20, scale=25)], lambda digest: picture, (40, 40), None)
    assert np.abs(drawn[13:27, 13:27, :3].astype(int) - 128).max() <= 1


def test_bands_do_not_show(pictures):
    tall = np.random.default_rng(2).integers(0, 256, (600, 40, 3)).astype(np.uint8)
    given = [layer(x=20, y=256, scale=900, angle=13, opacity=80)]
    whole = compose(given, pictures.__getitem__, (600, 40), tall)
    for shift in (100, 156):
        moved = [given[0] | {"y": 256 + shift}]
        lower = compose(moved, pictures.__getitem__, (600, 40), np.roll(tall, shift, axis=0))
        inner = np.abs(lower[200:500].astype(int) - whole[200 - shift : 500 - shift])
        assert inner.max() <= 3  # OpenCV reads between pixels in steps of 1/32
