import numpy as np
import pytest
import torch

from outtake.inference.uncertain_share import sampling_step, uncertain_share, uncertain_shares


def logits_of(probability: np.ndarray) -> np.ndarray:
    """Logits of two classes that are removed, which share a probability, and of one that is not."""
    halves = np.stack((probability / 2, probability / 2, 1 - probability), axis=-1)
    return np.log(np.maximum(halves, 1e-9)).astype(np.float32)


def test_it_is_the_sum_of_doubts_over_the_area():
    probability = np.zeros((10, 10))
    probability[2:4] = 0.9
    probability[4] = 0.4
    # 20 pixels are selected; 20 doubts of 0.1, and 10 of 0.4.
    assert uncertain_share(logits_of(probability), (0, 1)) == pytest.approx(0.3, abs=1e-4)


def test_a_sure_network_has_none_and_an_empty_mask_no_share():
    probability = np.zeros((10, 10))
    assert uncertain_share(logits_of(probability), (0, 1)) is None
    probability[:5] = 1
    assert uncertain_share(logits_of(probability), (0, 1)) == pytest.approx(0, abs=1e-4)


def test_large_pictures_are_sampled_evenly():
    assert sampling_step(360, 640) == 4
    probability = np.zeros((360, 640))
    probability[100:200, 100:300] = 0.8
    assert uncertain_share(logits_of(probability), (0, 1)) == pytest.approx(0.2, abs=1e-3)


def test_a_batch_on_a_device_has_the_same_shares():
    dice = np.random.default_rng(0)
    batch = dice.normal(0, 2, (3, 200, 300, 4)).astype(np.float32)
    batch[2, ..., 1:3] -= 50
    found = uncertain_shares(torch.from_numpy(batch).permute(0, 3, 1, 2), (1, 2))
    expected = [uncertain_share(one, (1, 2)) for one in batch]
    assert found[:2] == pytest.approx(expected[:2], rel=1e-4)
    assert found[2] is expected[2] is None


def test_an_object_between_the_sampled_pixels_is_found():
    probability = np.zeros((720, 1280))
    probability[101:107, 201:207] = 0.8  # one pixel of 8 x 8 is sampled
    probability[103, 203] = 0.4
    assert sampling_step(720, 1280) == 8
    expected = pytest.approx((35 * 0.2 + 0.4) / 35, abs=1e-3)
    logits = logits_of(probability)
    assert uncertain_share(logits, (0, 1)) == expected
    nothing = logits_of(np.zeros_like(probability))
    batch = torch.from_numpy(np.stack([logits, nothing])).permute(0, 3, 1, 2)
    assert uncertain_shares(batch, (0, 1)) == [expected, None]
