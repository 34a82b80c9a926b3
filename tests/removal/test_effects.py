import numpy as np

from outtake.removal.effects import Blur, Pixelate, Solid
from tests.removal.frames import filled_frames, masked, picture


def region(top: int, left: int) -> np.ndarray:
    mask = np.zeros((60, 80), bool)
    mask[top : top + 20, left : left + 20] = True
    return mask


def test_blocks_do_not_move_with_the_mask():
    image = picture(60, 80)
    first, second = filled_frames(
        Pixelate(0.1), [masked(image, region(20, 30)), masked(image, region(23, 32))]
    )
    both = region(20, 30) & region(23, 32)
    assert np.array_equal(first.image[both], second.image[both])


def test_a_stronger_blur_leaves_less_contrast():
    item = masked(picture(60, 80), region(20, 30))
    spreads = [
        filled_frames(Blur(strength), [item])[0].image[item.mask].std()
        for strength in (0.005, 0.03, 0.1)
    ]
    assert item.frame.image[item.mask].std() > spreads[0] > spreads[1] > spreads[2]


def test_a_colour_covers_the_mask():
    item = masked(picture(60, 80), region(20, 30))
    (out,) = filled_frames(Solid((10, 200, 30)), [item])
    assert (out.image[item.mask] == (10, 200, 30)).all()
