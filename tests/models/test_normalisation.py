from __future__ import annotations

import torch

from outtake.models.normalisation import Normalize


def test_normalisation_maps_the_mean_to_zero_for_any_channel_count() -> None:
    normalize = Normalize(5)
    assert normalize(torch.full((1, 5, 2, 2), 127, dtype=torch.uint8)).abs().max() < 0.01
    rgb = Normalize(3)(torch.zeros(1, 3, 1, 1, dtype=torch.uint8)).flatten()
    assert torch.allclose(rgb[0], torch.tensor(-0.485 / 0.229))
