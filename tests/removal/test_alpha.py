from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from outtake.core.types import StoredPicture
from outtake.removal.alpha import Alpha
from outtake.removal.side_by_side import SideBySide
from outtake.video.stored_picture import add_stored_alpha
from tests.removal.frames import filled_frames, masked_frame


def test_alpha_is_zero_in_the_mask_and_the_colours_stay():
    item = masked_frame(0)
    (out,) = filled_frames(Alpha(), [item])
    assert out.image.shape == (40, 64, 4)
    assert np.array_equal(out.image[..., :3], item.frame.image)
    assert np.array_equal(out.image[..., 3] == 0, item.mask)
    assert np.array_equal(out.image[..., 3] == 255, ~item.mask)


def test_alpha_keeps_16_bit_colour():
    item = masked_frame(0, high_bit_depth=True)
    (out,) = filled_frames(Alpha(soft_edge=0.1), [item])
    assert out.image16.dtype == np.uint16 and out.image16.shape == (40, 64, 4)
    assert np.array_equal(out.image16[..., :3], item.frame.image16)
    assert np.array_equal(out.image16[..., 3], out.image[..., 3] * np.uint16(257))
    (out,) = filled_frames(SideBySide(Alpha(), divider_px=2), [item])
    right = out.image16[:, 66:]
    assert np.array_equal(right[~item.mask], item.frame.image16[~item.mask])
    assert set(np.unique(right[item.mask])) == {204 * 257, 65535}


def test_the_soft_edge_of_alpha_lies_inside_the_mask():
    item = masked_frame(0)
    (out,) = filled_frames(Alpha(soft_edge=0.1), [item])
    alpha = out.image[20, :, 3].astype(int)
    assert (alpha[:20] == 255).all() and alpha[35] == 0
    assert 255 > alpha[20] > alpha[21] > alpha[22] > 0


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
def test_what_is_transparent_in_the_source_stays_so(kind):
    item = masked_frame(0, high_bit_depth=True)
    full = 1 if kind == np.float32 else np.iinfo(kind).max
    own = np.full((40, 64), full, kind)
    own[:8], own[35:] = 0, full * 0.4
    stored = StoredPicture("", (), item.frame.image, item.frame.image16, own)
    item = replace(item, frame=replace(item.frame, stored=stored))
    (out,) = filled_frames(Alpha(), [item])
    for picture, opaque in ((out.image, 255), (out.image16, 65535)):
        alpha = add_stored_alpha(picture, out.stored)[..., 3]
        assert not alpha[:8].any() and not alpha[item.mask].any()
        assert np.abs(alpha[35:] - 0.4 * opaque).max() <= 1
        assert (alpha[8:35][~item.mask[8:35]] == opaque).all()
