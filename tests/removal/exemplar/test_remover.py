import cv2
import numpy as np
import pytest

from benchmarks.removal.world import make_masonry
from outtake.removal.exemplar.remover import Exemplar
from outtake.removal.smooth_surface import SmoothSurface


def error(image, truth, mask):
    return float(np.sqrt(np.square(image[mask].astype(float) - truth[mask]).mean()))


@pytest.fixture(scope="module")
def bricks():
    image = np.full((140, 200, 3), (150, 80, 60), np.uint8)
    for row, top in enumerate(range(0, 140, 10)):
        image[top : top + 2] = (200, 190, 180)
        for left in range(10 * (row % 2), 200, 20):
            image[top : top + 10, left : left + 2] = (200, 190, 180)
    grain = np.random.default_rng(0).normal(0, 3, image.shape)
    return np.clip(image + grain, 0, 255).astype(np.uint8)


def test_a_wall_of_bricks_goes_on(bricks):
    mask = np.zeros(bricks.shape[:2], bool)
    mask[50:95, 80:130] = True
    hidden = bricks.copy()
    hidden[mask] = (255, 0, 255)
    filled = Exemplar().fill(hidden, mask)
    assert np.array_equal(filled[~mask], bricks[~mask])
    assert error(filled, bricks, mask) < 10
    assert error(SmoothSurface().fill(hidden, mask), bricks, mask) > 25
    assert np.array_equal(filled, Exemplar().fill(hidden, mask))


def test_no_piece_is_copied_from_what_is_vague(bricks):
    mask, vague = np.zeros((2, *bricks.shape[:2]), bool)
    mask[50:95, 80:130] = True
    vague[30:115, 130:190] = vague[30:115, 20:80] = True
    blurred = bricks.copy()
    blurred[vague] = cv2.GaussianBlur(bricks, (0, 0), 6)[vague]
    filled, copied = Exemplar().fill(blurred, mask, vague), Exemplar().fill(blurred, mask)
    inner = (slice(55, 90), slice(85, 125))
    detail = [np.abs(cv2.Laplacian(one[inner], cv2.CV_32F)).mean()
              for one in (bricks, filled, copied)]  # fmt: skip
    assert detail[1] > 0.8 * detail[0] > 2 * detail[2]
    assert np.array_equal(filled[vague], blurred[vague])


def test_what_is_hidden_does_not_matter(bricks):
    mask = np.zeros(bricks.shape[:2], bool)
    mask[50:95, 80:130] = mask[20:40, 10:30] = True
    fills = []
    for colour in (0, 255):
        hidden = bricks.copy()
        hidden[mask] = colour
        fills.append(Exemplar().fill(hidden, mask))
    assert np.array_equal(*fills)


def test_a_reduced_picture_gives_as_sharp_a_fill():
    truth = make_masonry(400, 600, 3)
    mask = np.zeros(truth.shape[:2], bool)
    mask[120:280, 220:380] = True
    hidden = truth.copy()
    hidden[mask] = 0
    filled, smooth = (fill.fill(hidden, mask) for fill in (Exemplar(), SmoothSurface()))
    detail = [np.abs(cv2.Laplacian(one, cv2.CV_32F)[140:260, 240:360]).mean()
              for one in (truth, filled, smooth)]  # fmt: skip
    assert 0.5 < detail[1] / detail[0] < 1.5 and detail[2] / detail[0] < 0.2


@pytest.mark.parametrize("case", ["narrow", "all but a strip", "all", "corner"])
def test_where_pieces_are_of_no_use(bricks, case):
    mask = np.zeros(bricks.shape[:2], bool)
    if case == "narrow":
        mask[40:100, 70:74] = True
    elif case == "all but a strip":
        mask[:, 4:] = True
    elif case == "all":
        mask[:] = True
    else:
        mask[:60, :70] = True
    filled = Exemplar().fill(bricks, mask)
    assert filled.shape == bricks.shape and np.array_equal(filled[~mask], bricks[~mask])
    same = np.array_equal(filled, SmoothSurface().fill(bricks, mask))
    assert same == (case != "corner")


@pytest.mark.parametrize("side", ["bottom", "right", "across"])
def test_a_strip_at_the_border_of_a_large_picture(side, monkeypatch):
    # Its offsets are chosen at a size that divides neither side, in blocks as wide as the strip.
    monkeypatch.setattr("outtake.removal.exemplar.remover._MAX_PIXELS", 2000)
    truth = make_masonry(403, 601, 5)
    mask = np.zeros(truth.shape[:2], bool)
    if side == "bottom":
        mask[-9:, 100:500] = True
    elif side == "right":
        mask[50:350, -9:] = True
    else:
        mask[180:230] = True
    filled = Exemplar().fill(truth, mask)
    assert np.array_equal(filled[~mask], truth[~mask])
    assert filled[mask].std() > 5


def test_a_hole_that_no_single_offset_clears_gets_pieces():
    # Moved by its own width, to either side, its middle still lies in it or outside of the picture.
    truth = make_masonry(270, 480, 3)
    mask = np.zeros(truth.shape[:2], bool)
    mask[60:, 100:400] = True
    filled = Exemplar().fill(truth, mask)
    assert np.array_equal(filled[~mask], truth[~mask])
    detail = [np.abs(cv2.Laplacian(one, cv2.CV_32F)[mask]).mean() for one in (truth, filled)]
    assert 0.5 < detail[1] / detail[0] < 1.5


def test_of_many_holes_the_largest_get_pieces(bricks, monkeypatch):
    copied = []
    monkeypatch.setattr(
        "outtake.removal.exemplar.remover._copy_pieces",
        lambda image, crop, hole, mask: copied.append(int(hole.sum())),
    )
    mask = np.zeros(bricks.shape[:2], bool)
    for row in range(4, 130, 16):
        for column in range(4, 180, 16):
            mask[row : row + 9, column : column + 8 + (row > 60)] = True
    filled = Exemplar().fill(bricks, mask)
    assert copied == [81] * 24
    assert np.array_equal(filled, SmoothSurface().fill(bricks, mask))
