from fractions import Fraction

import cv2
import numpy as np
import pytest

from outtake.core.errors import ConfigError
from outtake.core.frames import MaskedFrame
from outtake.core.types import TimedFrame
from outtake.removal.clean_plate.remover import CleanPlate
from outtake.removal.effects import Blur, Solid
from outtake.removal.feather import FeatherRemover
from outtake.removal.views import MaskRemover


def frame(pts: int = 0, high_bit_depth: bool = False) -> MaskedFrame:
    image = np.random.default_rng(pts).integers(0, 250, (100, 120, 3), np.uint8)
    mask = np.zeros((100, 120), bool)
    mask[30:70, 40:90] = True
    both = image.astype(np.uint16) * 257 if high_bit_depth else None
    return MaskedFrame(TimedFrame(image, pts, Fraction(1, 25), both), mask)


def test_outside_of_the_mask_stays_and_its_core_is_the_fill():
    item = frame()
    out = next(FeatherRemover(Solid((255, 255, 255)), 0.05)([item])).frame
    inside = cv2.distanceTransform(item.mask.astype(np.uint8), cv2.DIST_L2, 5)
    assert np.array_equal(out.image[~item.mask], item.frame.image[~item.mask])
    assert (out.image[inside > 6] == 255).all()


def test_the_fill_fades_in_from_the_edge():
    item = frame()
    item.frame.image[:] = 0
    out = next(FeatherRemover(Solid((240, 240, 240)), 0.05)([item])).frame
    across = out.image[50, 38:50, 0].astype(int)
    assert across[:2].tolist() == [0, 0] and across[-1] == 240
    assert across[2] == 40 and (np.diff(across)[1:7] > 0).all()


def test_the_rim_of_a_field_is_as_wide_on_all_sides():
    item = frame()
    item.frame.image[:] = 0
    item.mask[31:70:2] = False
    item.mask[31:71:2, 60:110] = True  # the other field, a moment later
    out = next(FeatherRemover(Solid((240, 240, 240)), 0.1, by_fields=True)([item])).frame.image
    for row, left, right in ((50, 40, 90), (51, 60, 110)):
        across = out[row, left:right, 0].astype(int)
        # Eleven steps of 240 / 11, from both sides, whatever the other field has there.
        assert np.abs(across[:10] - 240 * np.arange(1, 11) / 11).max() <= 1
        assert (across[10:-10] == 240).all()
        assert across[-10:].tolist() == across[:10].tolist()[::-1]
    # A row of a field is two pixels high, and begins half a row above its middle.
    down = out[30:50:2, 75, 0].astype(int)
    assert np.abs(down[:5] - 240 * np.arange(1.5, 10, 2) / 11).max() <= 1
    assert (down[5:] == 240).all()


def test_a_frame_of_one_row_has_one_field():
    image, mask = np.zeros((1, 40, 3), np.uint8), np.zeros((1, 40), bool)
    mask[:, 10:30] = True
    item = MaskedFrame(TimedFrame(image, 0, Fraction(1, 25)), mask)
    (filled,) = FeatherRemover(Solid((240,) * 3), 0.1, by_fields=True)([item])
    assert (filled.frame.image[mask] == 240).all()


def test_frames_of_a_remover_that_looks_ahead_stay_paired():
    items = [frame(pts) for pts in range(7)]
    feathered = FeatherRemover(CleanPlate(reach_frames=2), 0.03)
    results = list(feathered(iter(items)))
    outs = [filled.frame for filled in results]
    assert [out.pts for out in outs] == list(range(7))
    for out, item in zip(outs, items, strict=True):
        assert np.array_equal(out.image[~item.mask], item.frame.image[~item.mask])
    assert all(filled.statistics is not None for filled in results)
    assert feathered.context(100, 120) == CleanPlate(reach_frames=2).context(100, 120)


def test_16_bit_pictures_fade_with_their_own_values():
    item = frame(high_bit_depth=True)
    assert item.frame.image16 is not None
    item.frame.image16[:] += 3
    out = next(FeatherRemover(Solid((255, 255, 255)), 0.05)([item])).frame
    assert out.image16 is not None
    assert np.array_equal(out.image16[~item.mask], item.frame.image16[~item.mask])
    assert np.abs(out.image16 / 257 - out.image)[item.mask].max() < 1


def test_without_a_rim_the_remover_is_as_it_is():
    item = frame()
    plain = next(Blur()([item])).frame
    for feather in (0, 0.004):
        out = next(FeatherRemover(Blur(), feather)([item])).frame
        assert np.array_equal(out.image, plain.image)


def test_what_has_no_seam_or_no_sense_is_refused():
    with pytest.raises(ConfigError, match="leaves no fill"):
        FeatherRemover(MaskRemover(), 0.01)
    with pytest.raises(ConfigError, match=r"feather=0\.5"):
        FeatherRemover(Blur(), 0.5)
