"""What a loss of a library cannot use is not passed to it in silence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import segmentation_models_pytorch as smp
import torch
from torch import nn

from outtake.config.build_task import build_loss
from outtake.core.errors import ConfigError
from outtake.core.labels import LabelSpace
from outtake.training.losses.cross_entropy import CrossEntropy, class_weights_from_frequencies

if TYPE_CHECKING:
    from pathlib import PurePath as Unknown

LABELS = LabelSpace.from_names(["road", "car", "sky"])
FREQUENCIES = np.array([0.7, 0.1, 0.2])
SMP = "segmentation_models_pytorch.losses"
SUM = "outtake.training.losses.weighted_sum.WeightedSum"
OF_A_LIST = [f"{SMP}.{name}" for name in ("FocalLoss", "TverskyLoss", "DiceLoss", "JaccardLoss")]


def measure(node: dict[str, object]) -> float:
    loss = build_loss(node, LABELS, FREQUENCIES)
    logits = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    target = torch.arange(128).reshape(2, 8, 8) % 3
    return float(loss(logits, target))


@pytest.mark.parametrize("weighting", ["log", "inverse"])
@pytest.mark.parametrize("target", OF_A_LIST)
def test_a_word_for_class_weights_is_the_list_that_it_means(target: str, weighting: str) -> None:
    weights = class_weights_from_frequencies(FREQUENCIES, weighting).tolist()
    named = measure({"_target_": target, "class_weights": weighting})
    assert named == measure({"_target_": target, "class_weights": weights})
    assert named != measure({"_target_": target})


def test_a_word_counts_inside_a_sum_too() -> None:
    def both(**options: object) -> dict[str, object]:
        focal = {"_target_": f"{SMP}.FocalLoss", **options}
        return {"_target_": SUM, "losses": {"focal": focal}}

    alone = measure({"_target_": f"{SMP}.FocalLoss", "class_weights": "log"})
    assert measure(both(class_weights="log")) == pytest.approx(alone)
    assert measure(both()) != pytest.approx(alone)


@pytest.mark.parametrize(
    ("node", "message"),
    [
        ({"_target_": OF_A_LIST[0], "class_weights": "lgo"}, "loss.class_weights=lgo: allowed are"),
        ({"_target_": f"{SMP}.LovaszLoss", "class_weights": "log"}, "has no option class_weights"),
        ({"_target_": f"{SMP}.LovaszLoss", "per_image": "nein"}, "loss.per_image=nein: .* bool"),
        ({"_target_": f"{SMP}.DiceLoss", "log_loss": "off"}, "loss.log_loss=off: .* takes bool"),
        ({"_target_": OF_A_LIST[0], "gamma": "2"}, "loss.gamma=.*: .* takes .*float"),
        (
            {"_target_": SUM, "losses": {"a": {"_target_": OF_A_LIST[0], "class_weights": 2}}},
            r"loss.losses.a.class_weights=2: .*List\[float\]",
        ),
    ],
)
def test_what_a_constructor_cannot_use_is_refused(node: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        build_loss(node, LABELS, FREQUENCIES)
    assert "\n" not in str(caught.value)


def test_a_word_needs_frequencies() -> None:
    with pytest.raises(ConfigError, match="needs the class frequencies"):
        build_loss({"_target_": OF_A_LIST[0], "class_weights": "log"}, LABELS)


@pytest.mark.parametrize(
    "options",
    [
        {"per_image": True},
        {"per_image": 1},
        {"ignore_index": None},
        {"_target_": "torch.nn.CrossEntropyLoss", "label_smoothing": 0},
        {"_target_": f"{SMP}.SoftCrossEntropyLoss", "smooth_factor": 0.1},
        {"_target_": f"{SMP}.DiceLoss", "classes": [0, 1]},
    ],
)
def test_what_fits_its_annotation_is_passed_on(options: dict[str, object]) -> None:
    assert measure({"_target_": f"{SMP}.LovaszLoss", **options}) >= 0


class OwnLoss(nn.Module):
    def __init__(self, class_weights: list[float] | None = None) -> None:
        super().__init__()
        self.class_weights = class_weights

    def forward(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return nn.functional.cross_entropy(logits, target, ignore_index=255)


class OwnLossOfWords(OwnLoss):
    def __init__(self, class_weights: str | None = None) -> None:
        super().__init__()
        self.word = class_weights


class OwnLossBesideUnknown(OwnLoss):
    def __init__(
        self, class_weights: list[float] | None = None, other: Unknown | None = None
    ) -> None:
        super().__init__(class_weights)


class OwnFocal(smp.losses.FocalLoss):
    def __init__(self, mode: str = "multiclass", **options: Any) -> None:
        super().__init__(mode, **options)
        self.class_weights = None if self.class_weights is None else self.class_weights.tolist()

    def forward(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return logits.mean()


def make_own_loss(class_weights: list[float] | None = None) -> OwnLoss:
    return OwnLoss(class_weights)


class PlainCrossEntropy(CrossEntropy):
    def __init__(self, class_weights=None, frequencies=None):
        super().__init__(class_weights=class_weights, frequencies=frequencies)
        self.word = class_weights


class AnyCrossEntropy(PlainCrossEntropy):
    def __init__(self, class_weights: Any = None, frequencies: Any = None) -> None:
        super().__init__(class_weights, frequencies)


class UnknownCrossEntropy(PlainCrossEntropy):
    def __init__(
        self,
        class_weights: str | None = None,
        frequencies: Any = None,
        other: Unknown | None = None,
    ) -> None:
        super().__init__(class_weights, frequencies)


def make_cross_entropy(class_weights: str | None, frequencies: Any) -> PlainCrossEntropy:
    return PlainCrossEntropy(class_weights, frequencies=frequencies)


@pytest.mark.parametrize(
    "made", [OwnLoss, OwnLossBesideUnknown, OwnFocal, make_own_loss], ids=lambda made: made.__name__
)
def test_an_own_loss_of_a_list_gets_the_list(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUTTAKE_ALLOW_TARGETS", __name__)
    node = {"_target_": f"{__name__}.{made.__name__}", "class_weights": "inverse"}
    weights = class_weights_from_frequencies(FREQUENCIES, "inverse").tolist()
    assert build_loss(node, LABELS, FREQUENCIES).loss.class_weights == pytest.approx(weights)


@pytest.mark.parametrize(
    "made",
    [OwnLossOfWords, PlainCrossEntropy, AnyCrossEntropy, UnknownCrossEntropy, make_cross_entropy],
    ids=lambda made: made.__name__,
)
def test_an_own_loss_that_may_take_words_gets_the_word(
    made: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OUTTAKE_ALLOW_TARGETS", __name__)
    node = {"_target_": f"{__name__}.{made.__name__}", "class_weights": "inverse"}
    built = build_loss(node, LABELS, FREQUENCIES)
    assert getattr(built, "loss", built).word == "inverse"


@pytest.mark.parametrize(
    "target", [OF_A_LIST[0], "outtake.training.losses.cross_entropy.CrossEntropy"]
)
def test_without_a_labelled_pixel_there_are_no_class_weights(target: str) -> None:
    with pytest.raises(ConfigError, match=r"class_weights=log: .* no labelled pixel; set"):
        build_loss({"_target_": target, "class_weights": "log"}, LABELS, np.zeros(3))
