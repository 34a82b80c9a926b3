from __future__ import annotations

import numpy as np

from outtake.removal.alpha import Alpha
from outtake.removal.effects import Solid
from outtake.removal.inpaint import Inpaint
from outtake.removal.side_by_side import SideBySide
from tests.removal.frames import filled_frames, masked_frame


def test_before_and_after_stand_side_by_side():
    item = masked_frame(0)
    (out,) = filled_frames(SideBySide(Solid((1, 2, 3)), divider_px=4), [item])
    assert out.image.shape == (40, 132, 3)
    assert np.array_equal(out.image[:, :64], item.frame.image)
    assert (out.image[:, 64:68] == 255).all()
    assert (out.image[:, 68:][item.mask] == (1, 2, 3)).all()
    assert next(SideBySide(Solid(), divider_px=0)([item])).frame.image.shape == (40, 128, 3)


def test_side_by_side_asks_the_remover_that_it_wraps():
    both = SideBySide(Inpaint())
    results = list(both([masked_frame(0), masked_frame(40)]))
    assert [filled.statistics.synthesised for filled in results] == [1, 1]
    assert both.needs_mask and both.context(4, 4) == Inpaint().context(4, 4)
    assert next(SideBySide(Solid())([masked_frame(0)])).statistics is None


def test_side_by_side_keeps_16_bit_colour():
    item = masked_frame(0, high_bit_depth=True)
    (out,) = filled_frames(SideBySide(Solid(), divider_px=2), [item])
    assert np.array_equal(out.image16[:, :64], item.frame.image16)
    assert np.array_equal(out.image16[:, 66:][~item.mask], item.frame.image16[~item.mask])
    assert (out.image16[:, 64:66] == 65535).all() and (out.image16[:, 66:][item.mask] == 0).all()


def test_side_by_side_shows_a_chequered_ground_behind_alpha():
    item = masked_frame(0)
    (out,) = filled_frames(SideBySide(Alpha(), divider_px=2), [item])
    right = out.image[:, 66:]
    assert np.array_equal(right[~item.mask], item.frame.image[~item.mask])
    assert set(np.unique(right[item.mask])) == {204, 255}
