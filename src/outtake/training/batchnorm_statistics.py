"""Statistics of batch normalisation for weights that were averaged.

An average of weights has never seen an image: the means and variances that its batch normalisation
holds are those of other weights, and have to be measured anew (Izmailov et al. 2018).
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from outtake.core.types import Batch
from outtake.data.dataset import SampleTensors
from outtake.training.module_modes import in_eval_mode
from outtake.training.task import SegmentationTask


def list_batchnorm(module: nn.Module) -> list[nn.modules.batchnorm._BatchNorm]:
    """Return the layers that keep means and variances for use, and are not frozen."""
    # Several processes have gradients of frozen weights too, see FrozenWeights.
    frozen = module.frozen.normalisations() if isinstance(module, SegmentationTask) else []
    return [
        layer
        for layer in module.modules()
        if isinstance(layer, nn.modules.batchnorm._BatchNorm)
        and layer.track_running_stats
        and layer not in frozen
        and all(weight.requires_grad for weight in layer.parameters())
    ]


@torch.no_grad()
def measure_batchnorm(
    task: SegmentationTask, batches: Iterable[Batch | SampleTensors], device: torch.device
) -> int:
    """Replace the statistics of batch normalisation by their mean over some batches, in place.

    Dropout drops nothing meanwhile, so no random number is drawn; the modes of all layers are as
    before in the end. A network without batch normalisation sees no batch.

    Args:
        task: The task, on ``device``.
        batches: Batches as in training; with several ranks, equally many on each.
        device: The device of the task.

    Returns:
        The number of batches that were seen.
    """
    layers = list_batchnorm(task)
    if not layers:
        return 0
    momenta = [layer.momentum for layer in layers]
    seen = 0
    with in_eval_mode(task):
        for layer in layers:
            layer.reset_running_stats()
            layer.momentum = None  # a mean over all batches, not a moving one
            layer.train()
        try:
            for batch in batches:
                task(batch["image"].to(device))
                seen += 1
        finally:
            for layer, momentum in zip(layers, momenta, strict=True):
                layer.momentum = momentum
    return seen
