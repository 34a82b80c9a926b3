"""Losses of libraries, which know nothing of batches without labels."""

from __future__ import annotations

import inspect
from functools import partial

import torch
from segmentation_models_pytorch.losses import FocalLoss, MCCLoss, TverskyLoss
from torch import nn

from outtake.core.errors import ConfigError


class LibraryLoss(nn.Module):
    """A loss that was not written for Outtake, made safe for its batches.

    - Logits are float32, whatever the precision of the network.
    - A batch without one labelled pixel has loss 0 and gradient 0, not NaN.
    - A loss that does not know ``ignore_index`` never sees unlabelled pixels: where a batch has
      some, it is given the labelled ones alone, logits (1, classes, 1, N) and labels (1, 1, N).
    - A mean over images takes an image without one labelled pixel as loss 0.
    - Where the loss has an exponent below 1, the gradient at loss 0 is 0, not NaN.
    - The Matthews correlation coefficient of segmentation-models-pytorch, which is for two classes,
      is the mean over the classes in the batch, each against the rest.

    Args:
        loss: Logits (B, classes, H, W) and labels int64 (B, H, W) to a scalar.
        ignore_index: The label of pixels that are not trained on.
        knows_ignore_index: Whether the loss leaves those pixels out itself.
    """

    def __init__(self, loss: nn.Module, ignore_index: int, *, knows_ignore_index: bool) -> None:
        super().__init__()
        self.loss = OneVersusRest(loss) if isinstance(loss, MCCLoss) else loss
        self.ignore_index = ignore_index
        self.knows_ignore_index = knows_ignore_index
        exponent = _find_exponent(loss)
        self._has_root = exponent is not None and 0 < exponent < 1

    @property
    def parts(self) -> dict[str, torch.Tensor]:
        """The parts of the last call, where the loss has some."""
        parts: dict[str, torch.Tensor] = getattr(self.loss, "parts", {})
        return parts

    def forward(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Return the scalar loss of logits (B, classes, H, W) and labels int64 (B, H, W).

        Raises:
            ConfigError: The loss is not a scalar.
        """
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        labelled = target != self.ignore_index
        if not labelled.any():
            return (logits * 0.0).sum()
        share = 1.0
        if not self.knows_ignore_index and not labelled.all():
            logits = logits.movedim(1, -1)[labelled].T[None, :, None]
            target = target[labelled][None, None]
        elif getattr(self.loss, "per_image", False):
            known = labelled.flatten(1).any(1)
            logits, target, share = logits[known], target[known], float(known.float().mean())
        mends_gradient = self._has_root and logits.requires_grad
        if mends_gradient:
            logits = logits.view_as(logits)  # a hook on what came in would outlast this call
        value: torch.Tensor = self.loss(logits, target)
        if mends_gradient:
            hook = partial(_zero_where_undefined, value.detach().isfinite())
            # torch gives its hooks no types.
            logits.register_hook(hook)  # type: ignore[no-untyped-call]
        if share != 1:
            value = share * value
        if value.dim():
            raise ConfigError(
                f"loss: {type(self.loss).__name__} gives a tensor {tuple(value.shape)}, where a "
                "scalar is needed; set its reduction to mean"
            )
        return value


def _find_exponent(loss: nn.Module) -> float | None:
    """Return the exponent of a focal or Tversky loss; None of any other."""
    if isinstance(loss, FocalLoss):
        return float(loss.focal_loss_fn.keywords["gamma"])
    return float(loss.gamma) if isinstance(loss, TverskyLoss) else None


def _zero_where_undefined(is_finite: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
    """Return a gradient that is 0 where the derivative of a root at 0, which is infinite, is.

    Where the loss itself is not finite (a scalar bool), the gradient stays as it is.
    """
    return torch.where(is_finite, gradient.nan_to_num(0.0, 0.0, 0.0), gradient)


class OneVersusRest(nn.Module):
    """The mean of a loss for two classes over the classes in a batch.

    Args:
        loss: Probabilities (B, H, W) and labels 0 or 1 (B, H, W) to a scalar.
    """

    def __init__(self, loss: nn.Module) -> None:
        super().__init__()
        self.loss = loss

    def forward(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Return the scalar loss of logits (B, classes, H, W) and labels int64 (B, H, W)."""
        probabilities = logits.softmax(1)
        losses = [
            self.loss(probabilities[:, each], (target == each).to(logits.dtype))
            for each in torch.unique(target).tolist()
        ]
        return torch.stack(losses).mean()


def adapt_loss(loss: nn.Module, ignore_index: int) -> nn.Module:
    """Return a loss that training can use: one of Outtake's as it is, another wrapped.

    Args:
        loss: The loss, built with ``ignore_index`` if its constructor takes that.
        ignore_index: The label of pixels that are not trained on.
    """
    if type(loss).__module__.startswith("outtake."):
        return loss
    knows = "ignore_index" in inspect.signature(type(loss)).parameters
    return LibraryLoss(loss, ignore_index, knows_ignore_index=knows)
