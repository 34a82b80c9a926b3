"""Batch normalisation with the statistics of the global batch, on CPUs too."""

from __future__ import annotations

import torch
from pytorch_lightning.plugins.layer_sync import LayerSync
from timm.layers import convert_sync_batchnorm
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from outtake.training.collectives import all_reduce_sum_with_gradient, world_size


class AllReduceBatchNorm(_BatchNorm):
    """Batch normalisation over all ranks by all-reduced sums; that of torch runs on GPUs only.

    A layer of timm, which normalises and activates in one module, keeps its activation.
    """

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Normalise maps (B, C, ...)."""
        together = self.training and world_size() > 1
        normalised = self._normalise_globally(images) if together else super().forward(images)
        for name in ("drop", "act"):
            if name in self._modules:
                normalised = self._modules[name](normalised)  # type: ignore[misc]
        return normalised

    def _check_input_dim(self, input: torch.Tensor) -> None:
        """Accept maps of any dimension; the layers that this one replaces had checked them."""

    def _normalise_globally(self, images: torch.Tensor) -> torch.Tensor:
        # Up from half precision, but not down from double.
        maps = images.to(torch.promote_types(images.dtype, torch.float32))
        dims = [0, *range(2, maps.dim())]
        shape = [1, -1, *[1] * (maps.dim() - 2)]
        count = maps.new_tensor([maps.numel() // maps.shape[1]])
        sums = all_reduce_sum_with_gradient(torch.cat([maps.sum(dims), count]))
        number = sums[-1].detach()
        mean = sums[:-1] / number
        # From the deviations, in a second sum: the difference of squares would cancel.
        centred = maps - mean.view(shape)
        variance = all_reduce_sum_with_gradient(centred.square().sum(dims)) / number
        self._update_running_stats(
            mean.detach(), variance.detach() * number / (number - 1).clamp(min=1)
        )
        scale = torch.rsqrt(variance + self.eps)
        if self.weight is not None:
            scale = scale * self.weight
        normalised = centred * scale.view(shape)
        if self.bias is not None:
            normalised = normalised + self.bias.view(shape)
        return normalised.to(images.dtype)

    def _update_running_stats(self, mean: torch.Tensor, variance: torch.Tensor) -> None:
        if not self.track_running_stats:
            return
        assert self.running_mean is not None and self.running_var is not None
        assert self.num_batches_tracked is not None
        self.num_batches_tracked.add_(1)
        cumulative = self.momentum is None
        part = 1.0 / int(self.num_batches_tracked) if cumulative else float(self.momentum or 0.0)
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), part)
        self.running_var.lerp_(variance.to(self.running_var.dtype), part)


class SyncBatchNormPlugin(LayerSync):
    """Lightning's plugin that gives every batch normalisation the global batch.

    Names and tensors of the layers stay, so a checkpoint is that of a single process.

    Args:
        on_gpu: Whether to use the kernel of torch. Layers are converted by timm, because torch's
            conversion drops the activations of timm's layers.
    """

    def __init__(self, *, on_gpu: bool) -> None:
        self._on_gpu = on_gpu

    def apply(self, model: nn.Module) -> nn.Module:
        """Replace the layers, in place."""
        changed: nn.Module = (
            convert_sync_batchnorm(model) if self._on_gpu else convert_batchnorm(model)
        )
        return changed

    def revert(self, model: nn.Module) -> nn.Module:
        """Leave the layers: in evaluation, they need no other rank."""
        return model


def convert_batchnorm(module: nn.Module) -> nn.Module:
    """Return a module in which batch normalisations are replaced, with the same tensors."""
    if isinstance(module, _BatchNorm) and not isinstance(module, AllReduceBatchNorm):
        return _convert_layer(module)
    for name, child in module.named_children():
        setattr(module, name, convert_batchnorm(child))
    return module


def _convert_layer(layer: _BatchNorm) -> AllReduceBatchNorm:
    fresh = AllReduceBatchNorm(
        layer.num_features, layer.eps, layer.momentum, layer.affine, layer.track_running_stats
    )
    fresh._parameters, fresh._buffers = layer._parameters, layer._buffers
    fresh.training = layer.training
    for name, child in layer.named_children():
        setattr(fresh, name, child)
    return fresh
