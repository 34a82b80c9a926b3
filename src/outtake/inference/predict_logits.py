"""Logits for scores: as one pass of a task, or as video makes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch

from outtake.inference.open_backend import TrainedTask, TrainedTasks, combine_networks
from outtake.inference.protocol import Network
from outtake.inference.torch_backend import TorchNetwork
from outtake.inference.tta import AugmentedNetwork, is_single_pass
from outtake.refine.refiner import Refiner, refine_logits

PredictLogits = Callable[[torch.Tensor], torch.Tensor]


def open_predict_logits(
    trained: TrainedTask | TrainedTasks,
    device: torch.device,
    *,
    flip: bool = False,
    scales: Sequence[float] = (1.0,),
    window: int | Sequence[int] | None = None,
    overlap: float = 0.25,
    refiner: Refiner | None = None,
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
        refiner: What improves the probabilities by the picture that the network saw, on the CPU.

    Raises:
        ConfigError: A scale, window or overlap that cannot work.
    """
    predict: PredictLogits
    if not isinstance(trained, TrainedTasks) and is_single_pass(scales, window):
        predict = partial(trained.task.predict, flip=flip)
        return predict if refiner is None else partial(_predict_refined, predict, refiner)

    def make_network(member: TrainedTask) -> Network:
        network = TorchNetwork(member.task, str(device), "float32")
        return AugmentedNetwork(network, flip=flip, scales=scales, window=window, overlap=overlap)

    predict = partial(_predict, combine_networks(trained, make_network), device)
    return predict if refiner is None else partial(_predict_refined, predict, refiner)


def _predict(network: Network, device: torch.device, images: torch.Tensor) -> torch.Tensor:
    found = network(images.permute(0, 2, 3, 1).contiguous().cpu().numpy())
    return torch.from_numpy(found).to(device).permute(0, 3, 1, 2)


def _predict_refined(
    predict: PredictLogits, refiner: Refiner, images: torch.Tensor
) -> torch.Tensor:
    logits = predict(images)
    seen = images.permute(0, 2, 3, 1).cpu().numpy()
    found = refine_logits(refiner, seen, logits.float().permute(0, 2, 3, 1).cpu().numpy())
    return torch.from_numpy(found).to(logits.device).permute(0, 3, 1, 2)
