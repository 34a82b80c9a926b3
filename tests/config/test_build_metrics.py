"""Metrics of torchmetrics that know nothing of pixels without a label."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torchmetrics import Metric
from torchmetrics.classification import MulticlassCohenKappa

from outtake.config.build_metrics import build_metrics
from outtake.core.errors import ConfigError
from outtake.core.labels import LabelSpace
from outtake.training.labelled_pixels import LabelledPixels
from outtake.training.metric_values import take_metric_values

LABELS = LabelSpace.from_names(["a", "b", "c"])
SEGMENTATION = "torchmetrics.segmentation."


def build(target: str, *, has_unlabelled: bool = True, **options: Any) -> Metric:
    node = {"_target_": target, **options}
    return build_metrics({"m": node}, LABELS, has_unlabelled=has_unlabelled)["m"]


def maps() -> tuple[torch.Tensor, torch.Tensor]:
    """Return predicted and true ids; the last image has no label at all."""
    draws = torch.Generator().manual_seed(1)
    truth = torch.randint(3, (4, 16, 20), generator=draws)
    predicted = torch.where(torch.rand(truth.shape, generator=draws) < 0.4, truth.roll(1), truth)
    truth[torch.rand(truth.shape, generator=draws) < 0.2] = 255
    truth[3] = 255
    return predicted, truth


def dice(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    there = truth != 255
    return np.array([
        2 * ((predicted == c) & (truth == c)).sum()
        / (((predicted == c) & there).sum() + (truth == c).sum())
        for c in range(3)
    ])  # fmt: skip


def test_a_metric_without_ignore_index_scores_the_labelled_pixels_of_each_image() -> None:
    metric = build(SEGMENTATION + "DiceScore", input_format="index", average="macro")
    assert isinstance(metric, LabelledPixels)
    predicted, truth = maps()
    metric.update(predicted[:2], truth[:2])
    metric.update(predicted[2:], truth[2:])
    each = [dice(predicted[i].numpy(), truth[i].numpy()).mean() for i in range(3)]
    assert take_metric_values({"m": metric}, LABELS.names)["val/m"] == pytest.approx(
        np.mean(each), abs=1e-6
    )
    metric.update(predicted[:1], truth[:1])
    assert float(metric.compute()) == pytest.approx(each[0], abs=1e-6), "the last epoch is gone"
    metric.reset()
    metric.update(predicted[3:], truth[3:])
    assert take_metric_values({"m": metric}, LABELS.names) == {}, "nothing was labelled"


@pytest.mark.parametrize("name", ["MeanIoU", "GeneralizedDiceScore"])
def test_others_of_the_kind_take_pixels_without_a_label(name: str) -> None:
    metric = build(SEGMENTATION + name, input_format="index")
    assert isinstance(metric, LabelledPixels)
    metric.update(*maps())
    assert 0 < take_metric_values({"m": metric}, LABELS.names)["val/m"] < 1


def test_a_metric_that_knows_ignore_index_stays_as_it_is() -> None:
    kappa = "torchmetrics.classification.MulticlassCohenKappa"
    assert type(build(kappa)) is MulticlassCohenKappa
    # Without it, it would fail in the first validation.
    assert isinstance(build(kappa, ignore_index=None), LabelledPixels)


class RightShare(Metric):
    """Counts a pixel without a label as wrong, whatever is predicted there."""

    def __init__(self) -> None:
        super().__init__()
        self.add_state("right", torch.tensor(0), dist_reduce_fx="sum")
        self.add_state("pixels", torch.tensor(0), dist_reduce_fx="sum")

    def update(self, preds: torch.Tensor, target: torch.Tensor) -> None:
        self.right += (preds == target).sum()
        self.pixels += target.numel()

    def compute(self) -> torch.Tensor:
        return self.right / self.pixels


def test_a_metric_that_counts_them_in_silence_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUTTAKE_ALLOW_TARGETS", __name__)
    metric = build(f"{__name__}.RightShare")
    predicted, truth = maps()
    metric.update(predicted, truth)
    known = truth != 255
    expected = float((predicted == truth)[known].float().mean())
    assert float(metric.compute()) == pytest.approx(expected, abs=1e-6)


def test_one_that_depends_on_where_pixels_lie_is_refused_unless_all_are_labelled() -> None:
    target = SEGMENTATION + "HausdorffDistance"
    with pytest.raises(ConfigError, match=r"metrics\.m: HausdorffDistance counts pixels without"):
        build(target, input_format="index")
    assert not isinstance(build(target, input_format="index", has_unlabelled=False), LabelledPixels)
