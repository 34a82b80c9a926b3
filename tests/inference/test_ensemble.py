import numpy as np
import pytest

from outtake.data.resize import resize_short_side
from outtake.inference.ensemble import EnsembleMember, NetworkEnsemble, softmax
from outtake.inference.labeller import Labeller
from outtake.inference.tta import resize_logits
from tests.inference.networks import Pointwise, noise


class Constant:
    """The same logits everywhere."""

    def __init__(self, *logits):
        self.logits = np.float32(logits)
        self.shapes = []

    def __call__(self, images):
        self.shapes.append(images.shape[1:3])
        return np.broadcast_to(self.logits, (*images.shape[:3], len(self.logits))).copy()


def test_each_network_has_one_vote_whatever_the_scale_of_its_logits():
    loud, calm = Constant(0, 400, 0), Constant(2, 0, 0)
    found = NetworkEnsemble([EnsembleMember(each, None) for each in (loud, calm, calm)])(
        noise(4, 5)
    )
    sure = np.exp(2) / (np.exp(2) + 2)
    expected = np.array([2 * sure, 1 + (1 - sure), 1 - sure]) / 3
    assert np.allclose(softmax(found), expected, atol=1e-6)
    assert found.argmax(-1).max() == 0, "two that agree outvote one that shouts"
    assert (loud.logits + 2 * calm.logits).argmax() == 1, "a mean of logits would obey it"


def test_every_member_sees_its_own_short_side_and_the_finest_resolution_is_kept():
    coarse, fine = Pointwise(), Pointwise()
    images = noise(40, 60)
    ensemble = NetworkEnsemble([EnsembleMember(coarse, 20), EnsembleMember(fine, 30)])
    found = ensemble(images)
    assert coarse.shapes == [(20, 30)] and fine.shapes == [(30, 45)]
    small, large = (
        np.stack([resize_short_side(image, side) for image in images]) for side in (20, 30)
    )
    parts = resize_logits(softmax(Pointwise()(small)), (30, 45)), softmax(Pointwise()(large))
    assert found.shape == (2, 30, 45, 3)
    assert np.allclose(softmax(found), (parts[0] + parts[1]) / 2, atol=1e-5)


def test_an_ensemble_is_labelled_with_the_mean_as_its_confidence():
    members = [EnsembleMember(Constant(0, 3), None), EnsembleMember(Constant(0, 1), None)]
    labels, sure = Labeller(NetworkEnsemble(members), confidence=True)(noise(8, 8), (8, 8))
    assert labels.min() == 1
    assert sure.max() == pytest.approx((1 / (1 + np.exp(-3)) + 1 / (1 + np.exp(-1))) / 2, abs=1e-5)
