from __future__ import annotations

import cv2
import numpy as np

from outtake.training.media import Overlay, Picture, Table, log_media
from tests.training.callbacks.fake_trainer import Seen, trainer


def test_only_the_first_process_shows() -> None:
    seen = Seen()
    log_media(trainer(seen, is_global_zero=False), Table("a", ("b",), []))
    assert not seen.exhibits


def test_a_picture_is_made_small_once_and_encoded_once() -> None:
    large = np.zeros((100, 4800, 3), np.uint8)
    large[:, ::2] = 255
    overlay = Overlay("a", large, {"truth": np.ones((100, 4800), np.uint8)})
    picture = Picture("a", "a.png", large, (overlay,))
    assert (
        picture.for_dashboard.image.shape == (50, 2400, 3)
        and picture.for_dashboard is picture.for_dashboard
    )
    assert picture.for_dashboard.overlays[0].masks["truth"].shape == (13, 640)
    assert picture.for_dashboard.for_dashboard is picture.for_dashboard
    assert cv2.imdecode(np.frombuffer(picture.png, np.uint8), 1).shape == large.shape
    assert picture.size_bytes() == 2 * large.nbytes + 480_000
