import numpy as np

from outtake.core.frames import SYNTHESISED, FillStatistics
from outtake.removal.per_frame import map_frames
from tests.removal.frames import masked, masks, picture


def test_only_output_frames_with_a_hole_are_changed():
    image, kinds = picture(24, 32), masks(24, 32)
    clip = [
        masked(image, kinds["region"]),
        masked(image, kinds["empty"]),
        masked(image, kinds["region"], is_output=False),
    ]
    results = list(map_frames(clip, lambda image, mask: np.zeros_like(image)))
    assert [bool(filled.frame.image.any()) for filled in results] == [False, True, True]
    assert all(filled.statistics is None for filled in results)
    assert all(one.source is item for one, item in zip(results, clip, strict=True))


def test_a_fill_that_is_synthesised_says_so():
    kinds = masks(24, 32)
    clip = [masked(picture(24, 32), kinds[kind]) for kind in ("region", "empty")]
    changed, kept = map_frames(clip, lambda image, mask: image.copy(), synthesises=True)
    assert changed.statistics.synthesised == 1
    assert np.array_equal(changed.statistics.origin == SYNTHESISED, kinds["region"])
    assert kept.statistics == FillStatistics()
