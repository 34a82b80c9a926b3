from __future__ import annotations

import pytest
import torch

from outtake.core.errors import ConfigError
from outtake.models.normalisation import CaffeNormalize, Normalize, PerImageNormalize


def test_normalisation_maps_the_mean_to_zero_for_any_channel_count() -> None:
    normalize = Normalize(5)
    assert normalize(torch.full((1, 5, 2, 2), 127, dtype=torch.uint8)).abs().max() < 0.01
    rgb = Normalize(3)(torch.zeros(1, 3, 1, 1, dtype=torch.uint8)).flatten()
    assert torch.allclose(rgb[0], torch.tensor(-0.485 / 0.229))


def test_networks_of_caffe_see_blue_first_in_0_to_255_minus_the_mean() -> None:
    red = torch.zeros(1, 3, 1, 1, dtype=torch.uint8)
    red[:, 0] = 255
    seen = CaffeNormalize(3)(red).flatten()
    assert torch.allclose(seen, torch.tensor([-104.00699, -116.66877, 255 - 122.67892]))
    depth = CaffeNormalize(4)(torch.full((1, 4, 1, 1), 255, dtype=torch.uint8))
    assert torch.equal(depth.flatten(), torch.full((4,), 127.5)), "other channels keep their order"
    with pytest.raises(ConfigError, match="have 3 channels"):
        CaffeNormalize(3, mean=[1.0, 2.0])


def test_rgb_keeps_its_statistics_beside_further_inputs() -> None:
    image = torch.randint(0, 256, (2, 5, 4, 4), dtype=torch.uint8)
    for kind in (Normalize, CaffeNormalize):
        seen = kind(5, further_channels=2)(image)
        assert torch.equal(seen[:, :3], kind(3)(image[:, :3]))
        assert torch.allclose(seen[:, 3:], kind(2)(image[:, 3:]))
    assert torch.equal(Normalize(2, further_channels=1).mean.flatten(), torch.full((2,), 0.5))
    with pytest.raises(ConfigError, match="have 4 channels; give one for each"):
        Normalize(4, mean=[0.5, 0.5, 0.5], further_channels=1)


@pytest.mark.parametrize("normalise", [Normalize(3), CaffeNormalize(3), Normalize(5)])
def test_the_pixel_scale_is_what_the_network_sees(normalise) -> None:
    scale = normalise.pixel_scale
    channels = len(scale.mean)
    image = torch.randint(0, 256, (1, channels, 4, 4), dtype=torch.uint8)
    order = [scale.colour(channel) for channel in range(3)] if channels == 3 else range(channels)
    mean, std = (torch.tensor(values).view(1, -1, 1, 1) for values in (scale.mean, scale.std))
    expected = (image[:, list(order)].float() - mean) / std
    assert torch.allclose(normalise(image), expected, atol=1e-4)


def test_light_and_its_colour_do_not_reach_the_network_of_images_normalised_on_their_own() -> None:
    image = torch.randint(60, 120, (2, 3, 16, 16), dtype=torch.uint8)
    gain = torch.tensor([0.5, 1.0, 1.5]).view(1, 3, 1, 1)  # of the colours of the light
    lit = (image * gain + 20).round().to(torch.uint8)
    seen, seen_lit = (PerImageNormalize(floor=1e-6)(each) for each in (image, lit))
    assert torch.allclose(seen, seen_lit, atol=0.1), "8 bits round"
    assert seen.mean((2, 3)).abs().max() < 1e-5
    assert torch.allclose(seen.std((2, 3), correction=0), torch.ones(2, 3), atol=1e-3)


def test_black_that_fills_a_crop_changes_nothing_in_the_image() -> None:
    generator = torch.Generator().manual_seed(0)
    image = torch.randint(1, 200, (2, 3, 8, 8), dtype=torch.uint8, generator=generator)
    image[:, 0] = 0  # black in one channel alone is a colour
    filled = torch.zeros(2, 3, 12, 16, dtype=torch.uint8)
    filled[..., :8, 4:12] = image
    seen = PerImageNormalize()(filled)
    assert torch.allclose(seen[..., :8, 4:12], PerImageNormalize()(image), atol=1e-5)
    assert (seen[:, 1:, 8:] < -1).all(), "black stays dark"
    fog = torch.full((1, 3, 8, 8), 200, dtype=torch.uint8)
    fog[..., 0] = 0
    assert PerImageNormalize()(fog).min() == -5, "however far black is from the rest"
    assert PerImageNormalize()(torch.zeros(1, 3, 4, 4, dtype=torch.uint8)).eq(0).all()


def test_an_image_of_one_colour_is_not_blown_up() -> None:
    even = torch.full((1, 3, 8, 8), 77, dtype=torch.uint8)
    even[0, 0, 0, 0] += 1  # noise
    assert PerImageNormalize()(even).abs().max() < 0.2
    with pytest.raises(ConfigError, match=r"normalize.floor"):
        PerImageNormalize(floor=0)
