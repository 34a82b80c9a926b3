"""Per-pixel cross entropy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional as F

from outtake.core.errors import ConfigError
from outtake.core.labels import LabelSpace
from outtake.core.validate import check_number
from outtake.training.collectives import all_reduce_sum, world_size

WEIGHTINGS = ("log", "inverse")
REDUCTIONS = ("mean", "sum")


class CrossEntropy(nn.Module):
    """Cross entropy summed over the valid pixels, divided by ``max(valid, 1)``.

    With ``reduction="sum"`` it is divided by the number of images instead: the unnormalised loss of
    Long et al. 2015, in which large images count for more, and whose rates are so low for it.

    With several ranks, in training, the divisor is that of the global batch, and the sum is
    multiplied by the number of ranks, because the mean of their gradients is taken.

    A batch without one labelled pixel has loss 0 and gradient 0, not NaN. Class weights scale the
    sum and not the divisor, so that a batch of rare classes counts for more.

    Args:
        ignore_index: The label of pixels that are not trained on.
        class_weights: None for equal weights, or how weights follow from class frequencies:
            ``log`` is 1 / log(1.1 + f) (Paszke et al. 2016, with 1.1 for 1.02), ``inverse`` is
            1 / f; scaled so that their mean, weighted by frequency, is 1.
        class_factors: What the weights of single classes are multiplied by, by name: above 1, more
            pixels are given to the class, right and wrong ones.
        frequencies: The share of each class in the training pixels, (classes,); sums to 1.
        class_names: The names of the classes; only ``class_factors`` needs them.
        label_smoothing: The smoothing of the labels, in 0 to 1.
        reduction: ``mean`` over the valid pixels, or their ``sum`` in each image.

    Raises:
        ConfigError: The weighting or the reduction does not exist, a factor is no number above 0 or
            of no class, or the smoothing is not in 0 to 1.
    """

    weight: torch.Tensor | None

    def __init__(
        self,
        *,
        ignore_index: int = 255,
        class_weights: str | None = None,
        class_factors: Mapping[str, float] | None = None,
        frequencies: NDArray[np.float64] | None = None,
        class_names: Sequence[str] | None = None,
        label_smoothing: float = 0.0,
        reduction: str = "mean",
    ) -> None:
        super().__init__()
        if reduction not in REDUCTIONS:
            raise ConfigError(f"loss.reduction={reduction}: allowed are {' and '.join(REDUCTIONS)}")
        check_number("loss.label_smoothing", label_smoothing, 0, 1)
        self.reduction = reduction
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing
        weight = None
        if class_weights is not None and class_weights not in WEIGHTINGS:
            raise _unknown_weighting_error(class_weights)
        if class_weights is not None:
            if frequencies is None:
                raise ConfigError("loss.class_weights needs the class frequencies of a data set")
            weight = torch.tensor(
                class_weights_from_frequencies(frequencies, class_weights), dtype=torch.float32
            )
        if class_factors:
            factors = _factors_of_classes(class_factors, class_names)
            weight = factors if weight is None else weight * factors
        # Not persistent: training needs it, a trained network does not.
        self.register_buffer("weight", weight, persistent=False)

    def forward(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Return the scalar loss of logits (B, classes, H, W) and labels int64 (B, H, W)."""
        loss = self._loss_of_pixels(logits, target)
        valid = (target != self.ignore_index).sum()
        count = valid if self.reduction == "mean" else valid.new_tensor(len(target))
        if self.training and world_size() > 1:
            count, loss = all_reduce_sum(count), loss * world_size()
        return loss.sum() / count.clamp(min=1)

    def measure_piece(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Return the sum over the valid pixels and their number, float64 (2,)."""
        valid = (target != self.ignore_index).sum()
        return torch.stack([self._loss_of_pixels(logits, target).sum().double(), valid.double()])

    def combine_pieces(self, measured: Sequence[torch.Tensor], images: int) -> torch.Tensor:
        """Return the scalar loss of a batch."""
        total, valid = torch.stack(list(measured)).sum(0)
        count = valid if self.reduction == "mean" else valid.new_tensor(images)
        loss: torch.Tensor = total / count.clamp(min=1)
        return loss.float()

    def _loss_of_pixels(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        # Up from half precision, but not down from double.
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        return F.cross_entropy(
            logits,
            target,
            weight=None if self.weight is None else self.weight.to(logits.dtype),
            ignore_index=self.ignore_index,
            label_smoothing=self.label_smoothing,
            reduction="none",  # the 2-D kernel that reduces is not deterministic on CUDA
        )


def class_weights_from_frequencies(
    frequencies: NDArray[np.float64], weighting: str
) -> NDArray[np.float64]:
    """Turn class frequencies (classes,) into class weights (classes,); absent classes get 0.

    Raises:
        ConfigError: The weighting does not exist, or no class occurs.
    """
    if weighting not in WEIGHTINGS:
        raise _unknown_weighting_error(weighting)
    if frequencies.sum() == 0:
        raise ConfigError(
            f"loss.class_weights={weighting}: the training images have no labelled pixel; "
            "set loss.class_weights=null"
        )
    present = frequencies > 0
    safe = np.where(present, frequencies, 1.0)
    weights = 1.0 / np.log(1.1 + frequencies) if weighting == "log" else 1.0 / safe
    weights = np.where(present, weights, 0.0)
    return weights / float((weights * frequencies).sum())


def _factors_of_classes(
    class_factors: Mapping[str, float], class_names: Sequence[str] | None
) -> torch.Tensor:
    """Return the factor of each class, 1 where none is given, float32 (classes,)."""
    key = "loss.class_factors"
    if not isinstance(class_factors, Mapping):
        raise ConfigError(f"{key}={class_factors}: give a number for each class, as in {{car: 3}}")
    if class_names is None:
        raise ConfigError(f"{key} needs the classes of a data set")
    labels, factors = LabelSpace.from_names(class_names), torch.ones(len(class_names))
    for name, factor in class_factors.items():
        check_number(f"{key}.{name}", factor, 1e-3)
        factors[list(labels.ids([name], key))] = float(factor)
    return factors


def _unknown_weighting_error(weighting: str) -> ConfigError:
    return ConfigError(f"loss.class_weights={weighting}: allowed are null, {', '.join(WEIGHTINGS)}")
