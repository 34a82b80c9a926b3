"""Logits for scores: as one pass of a task, or as video makes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch

from outtake.inference.open_backend import TrainedTask, TrainedTasks, combine_networks
from outtake.inference.protocol import Network
from outtake.inference.torch_backend import TorchNetwork
from outtake.inference.tta import AugmentedNetwork, is_single_pass

PredictLogits = Callable[[torch.Tensor], torch.Tensor]


def open_predict_logits(
    trained: TrainedTask | TrainedTasks,
    device: torch.device,
    *,
    flip: bool = False,
    scales: Sequence[float] = (1.0,),
    window: int | Sequence[int] | None = None,
    overlap: float = 0.25,
) -> PredictLogits:
    """Return a function from images to logits at the network's resolution, with PyTorch.

    It takes uint8 (B, C, h, w) and returns float32 (B, classes, h, w) on the device: those that
    training validated, unless something is averaged.

    Args:
        trained: The checkpoint, or several, whose probabilities are averaged.
        device: The device of the tasks.
        flip: As of :func:`outtake.inference.open_backend.open_backend`, like all that follow.
        scales: The factors by which images are resized.
        window: The size of windows that cover a larger image.
        overlap: The share of a window that its neighbour covers too.

    Raises:
        ConfigError: A scale, window or overlap that cannot work.
    """
    if not isinstance(trained, TrainedTasks) and is_single_pass(scales, window):
        return partial(trained.task.predict, flip=flip)

    def make_network(member: TrainedTask) -> Network:
        network = TorchNetwork(member.task, str(device), "float32")
        return AugmentedNetwork(network, flip=flip, scales=scales, window=window, overlap=overlap)

    return partial(_predict, combine_networks(trained, make_network), device)


def _predict(network: Network, device: torch.device, images: torch.Tensor) -> torch.Tensor:
    found = network(images.permute(0, 2, 3, 1).contiguous().cpu().numpy())
    return torch.from_numpy(found).to(device).permute(0, 3, 1, 2)
