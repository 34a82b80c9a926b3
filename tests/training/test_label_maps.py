"""The logits of a network are divided among label maps, each with a loss and a score."""

import pytest
import torch
from torch import nn

from outtake.core.labels import LabelSpace
from outtake.models.training_logits import TrainingLogits
from outtake.training.label_maps import FurtherLabelMap, LabelMaps
from outtake.training.losses.cross_entropy import CrossEntropy
from outtake.training.losses.deep_supervision import DeepSupervision

LAYOUT = LabelSpace.from_names(["wall", "floor", "roof"])


def make(weight=0.5, loss=None):
    return LabelMaps(2, {"layout": FurtherLabelMap(LAYOUT, loss or CrossEntropy(), weight)})


def batch(size=(4, 6)):
    torch.manual_seed(0)
    layout = torch.randint(0, 3, (2, *size))
    layout[0, 0] = 255
    return {"mask": torch.randint(0, 2, (2, *size)), "further_masks": {"layout": layout}}


def test_the_loss_is_the_weighted_sum_and_each_is_a_part():
    maps, given, logits = make(), batch(), torch.randn(2, 5, 4, 6)
    assert maps.total == 5
    loss = maps.training_loss(logits, given, CrossEntropy())
    own = nn.functional.cross_entropy(logits[:, :2], given["mask"])
    other = nn.functional.cross_entropy(
        logits[:, 2:], given["further_masks"]["layout"], ignore_index=255
    )
    assert torch.allclose(loss.value, own + 0.5 * other)
    assert list(loss.parts) == ["labels", "layout"]
    assert torch.allclose(loss.parts["layout"], other)


def test_heads_for_training_are_divided_too_and_the_boundary_is_that_of_the_masks():
    outputs = TrainingLogits(
        torch.randn(2, 5, 4, 6), {"fine": torch.randn(2, 5, 4, 6)}, torch.randn(2, 1, 4, 6)
    )
    maps = make(loss=DeepSupervision(CrossEntropy()))
    first, layout = maps.select(outputs, None), maps.select(outputs, "layout")
    assert torch.equal(first.auxiliary["fine"], outputs.auxiliary["fine"][:, :2])
    assert torch.equal(layout.auxiliary["fine"], outputs.auxiliary["fine"][:, 2:])
    assert first.boundary is outputs.boundary and layout.boundary is None
    loss = maps.training_loss(outputs, batch(), DeepSupervision(CrossEntropy()))
    assert loss.value.isfinite() and {"labels", "fine", "boundary", "layout"} <= loss.parts.keys()


def test_each_label_map_is_scored_by_itself_at_its_own_resolution():
    maps, given = make(), batch()
    truth = given["further_masks"]["layout"]
    perfect = nn.functional.one_hot(truth.clamp(max=2), 3).permute(0, 3, 1, 2).float() * 9
    logits = torch.cat([torch.randn(2, 2, 4, 6), perfect], 1)
    value = maps.validate([(slice(0, 1), logits[:1]), (slice(1, 2), logits[1:])], given)
    assert 0 < value < 0.01
    scores = maps.take_scores()
    assert scores["val/layout/miou"] == pytest.approx(1)
    assert scores["val/layout/iou/roof"] == pytest.approx(1)
    assert maps.take_scores()["val/layout/miou"] == 0, "they begin anew"


def test_names_need_not_be_names_of_modules():
    names = {"train": FurtherLabelMap(LAYOUT, CrossEntropy())}
    names["a.b"] = FurtherLabelMap(LAYOUT, CrossEntropy())
    assert LabelMaps(2, names).total == 8 and not LabelMaps(2, names).state_dict()
