"""From a composed config to the task: network, loss, optimizer, schedule and metrics."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from omegaconf import DictConfig

from outtake.config.build_metrics import build_metrics, tried_ids
from outtake.config.build_network import build_net, build_normalisation
from outtake.config.instantiate import (
    check_targets,
    instantiate,
    instantiate_with_available,
    resolve_config,
)
from outtake.config.loss_options import prepare_loss_options
from outtake.config.network_arguments import unseen_inputs
from outtake.core.errors import ConfigError, OuttakeError
from outtake.core.labels import LabelSpace
from outtake.core.printable_text import first_line
from outtake.data.further_inputs import FurtherInput, count_channels
from outtake.models.training_logits import training_heads
from outtake.training.label_maps import LabelMaps
from outtake.training.losses.deep_supervision import DeepSupervision
from outtake.training.losses.library_loss import adapt_loss
from outtake.training.module_modes import in_eval_mode
from outtake.training.optimizer_average import averages_weights
from outtake.training.parameter_groups import ParameterOptions
from outtake.training.task import SegmentationTask

log = logging.getLogger(__name__)


def build_task(
    cfg: DictConfig,
    labels: LabelSpace,
    channels: int,
    *,
    further_inputs: Sequence[FurtherInput] = (),
    frequencies: NDArray[np.float64] | None = None,
    label_maps: LabelMaps | None = None,
    parameter_options: ParameterOptions | None = None,
    has_unlabelled: bool = True,
    record: dict[str, Any] | None = None,
) -> SegmentationTask:
    """Build the task from ``model``, ``normalize``, ``loss``, ``optimizer`` and ``scheduler``.

    Args:
        cfg: The config.
        labels: The classes.
        channels: The number of channels of the images.
        further_inputs: The inputs beside the image, whose channels are the last ones.
        frequencies: The share of each class in the training pixels, (classes,).
        label_maps: The further label maps, see :mod:`outtake.config.build_label_maps`.
        parameter_options: What is frozen, and rates and weight decays by group.
        has_unlabelled: Whether images that are validated have pixels without a label.
        record: What goes into every checkpoint.
    """
    optimizer = instantiate(cfg.optimizer)
    scheduler = instantiate(cfg.scheduler) if cfg.get("scheduler") else None
    _check_optimizer_and_schedule(optimizer, scheduler)
    normalise = build_normalisation(cfg.normalize, channels, count_channels(further_inputs))
    classes = len(labels.names) if label_maps is None else label_maps.total
    net = build_net(cfg.model, classes, channels, normalise, further_inputs)
    if unseen := unseen_inputs(resolve_config(cfg.model), channels, further_inputs):
        log.warning("no network of model.members sees the input %s", ", ".join(unseen))
    loss = build_loss(cfg.loss, labels, frequencies)
    _check_heads(net, loss)
    task = SegmentationTask(
        net,
        normalise,
        labels,
        loss,
        optimizer,
        scheduler,
        metrics=build_metrics(cfg.get("metrics"), labels, has_unlabelled=has_unlabelled),
        channels_last=bool(cfg.channels_last),
        label_maps=label_maps,
        parameter_options=parameter_options,
        checkpoint_record=record,
    )
    if parameter_options is not None and parameter_options.divides:
        # With its groups; those are known with the network only.
        _check_optimizer_and_schedule(lambda _: task.make_planned_optimizer(), scheduler)
    return task


def _check_heads(net: torch.nn.Module, loss: torch.nn.Module) -> None:
    heads = training_heads(net)
    if isinstance(loss, DeepSupervision):
        loss.check_heads(heads)
        if not heads:
            log.warning(
                "loss=deep_supervision: this network has no further heads; same as loss.loss"
            )
    elif heads:
        log.warning(
            "the network's heads for training (%s) are not trained: loss=deep_supervision does it",
            ", ".join(heads),
        )


def _check_optimizer_and_schedule(optimizer: Any, scheduler: Any) -> None:
    # Both are only called when training has begun: a wrong option must show before.
    try:
        made = optimizer([torch.nn.Parameter(torch.zeros(1))])
    except (TypeError, ValueError) as error:
        raise ConfigError(f"optimizer: {error}") from error
    if scheduler is not None and averages_weights(made):
        raise ConfigError(
            f"optimizer: {type(made).__name__} averages the weights instead of lowering the rate, "
            "and goes with no schedule: set scheduler=null"
        )
    try:
        if scheduler is not None:
            scheduler(made, 10)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"scheduler: {error}") from error


def build_loss(
    node: DictConfig | Mapping[str, Any],
    labels: LabelSpace,
    frequencies: NDArray[np.float64] | None = None,
) -> torch.nn.Module:
    """Build the loss, of this package or of a library, and the losses inside it.

    Args:
        node: A mapping with ``_target_``.
        labels: The classes.
        frequencies: The share of each class in the training pixels, (classes,).

    Raises:
        ConfigError: It cannot be built, or fails for logits and class ids.
    """
    available = {
        "ignore_index": labels.ignore_index,
        "frequencies": frequencies,
        "class_names": list(labels.names),
        "num_classes": len(labels.names),
        "mode": "multiclass",  # of the losses of segmentation-models-pytorch
    }
    tree = resolve_config(node)
    check_targets(tree, "loss")
    tree = prepare_loss_options(tree, frequencies)
    loss = instantiate_with_available(tree, "loss", available, nested=True)
    if not isinstance(loss, torch.nn.Module):
        raise ConfigError(f"loss._target_={node.get('_target_')} makes no torch.nn.Module")
    adapted = adapt_loss(loss, labels.ignore_index)
    _try_loss(adapted, type(loss).__name__, labels)
    return adapted


def _try_loss(loss: torch.nn.Module, name: str, labels: LabelSpace) -> None:
    """Raise a ConfigError if a loss fails: what a library takes shows in no signature."""
    classes = len(labels.names)
    try:
        with torch.random.fork_rng(devices=[]), torch.no_grad(), in_eval_mode(loss):
            ids = tried_ids(classes)
            loss(torch.zeros(2, classes, *ids.shape[1:]), ids)
    except OuttakeError:
        raise
    except Exception as error:
        raise ConfigError(
            f"loss: {name} fails for logits (batch, {classes} classes, height, width) and class "
            f"ids (batch, height, width): {first_line(error)}; choose one that takes these"
        ) from error
