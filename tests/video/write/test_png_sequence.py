import cv2
import numpy as np
import pytest

from outtake.core.types import TimedFrame
from tests.video.moving_scene import BASE, describe, scene, shallow, write


@pytest.mark.parametrize("depth", [8, 16])
def test_png_images_keep_alpha_and_depth(tmp_path, depth):
    deep = [scene(i) for i in range(3)]
    info = describe(tmp_path, bit_depth=depth)
    if depth == 8:
        frames = shallow(channels=4)
        write(tmp_path / "frames", info, frames, channels=4)
        truth = [frame.image for frame in frames]
    else:
        frames = [
            TimedFrame((d >> 8).astype(np.uint8), i, BASE, image16=d) for i, d in enumerate(deep)
        ]
        write(tmp_path / "frames", info, frames)
        truth = deep
    for number, image in enumerate(truth):
        stored = cv2.imread(str(tmp_path / "frames" / f"{number:05d}.png"), cv2.IMREAD_UNCHANGED)
        order = cv2.COLOR_BGRA2RGBA if depth == 8 else cv2.COLOR_BGR2RGB
        assert np.array_equal(cv2.cvtColor(stored, order), image)
