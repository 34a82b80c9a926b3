"""From a composed config to the data, the task and its parts."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from omegaconf import DictConfig
from torchmetrics import Metric

from outtake.config.build_unlabelled import build_unlabelled
from outtake.config.instantiate import (
    check_targets,
    instantiate,
    instantiate_with_available,
    resolve_config,
)
from outtake.config.network_arguments import complete_network, unseen_inputs
from outtake.config.program_options import DataOptions
from outtake.config.schema import parse
from outtake.core.errors import ConfigError
from outtake.core.labels import LabelSpace
from outtake.data.augmentation import AugmentationStep
from outtake.data.datamodule import DataModule
from outtake.data.folds import FoldSource
from outtake.data.further_inputs import (
    KEY,
    FurtherInput,
    count_channels,
    explain_difference,
)
from outtake.data.further_labels import ChosenLabelMap, FurtherLabelMaps
from outtake.data.mixing import MixingStep
from outtake.data.overfit import FirstSamples
from outtake.data.sample_range import SampleRange
from outtake.data.source import SegmentationSource
from outtake.data.stacked_inputs import StackedInputs
from outtake.data.unlabelled import LabelledShare, read_share
from outtake.evaluation.metrics import METRICS
from outtake.models.training_logits import training_heads
from outtake.training.label_maps import LabelMaps
from outtake.training.losses.deep_supervision import DeepSupervision
from outtake.training.losses.library_loss import adapt_loss
from outtake.training.optimizer_average import averages_weights
from outtake.training.parameter_groups import ParameterOptions
from outtake.training.task import SegmentationTask

log = logging.getLogger(__name__)
# Keys of data that are no arguments of the data module.
_NOT_OF_LOADERS = (
    "name",
    "root",
    "source",
    "overfit_samples",
    "labelled_share",
    "further_inputs",
    "further_labels",
    "unlabelled",
    "unlabelled_batch_size",
)


def build_data(
    cfg: DictConfig,
    trained_labels: LabelSpace | None = None,
    trained_range: SampleRange | None = None,
    trained_inputs: Sequence[FurtherInput] = (),
    label_map: str | None = None,
) -> DataModule:
    """Build the data source, its augmentation and its loaders from ``data`` and ``augment``.

    Args:
        cfg: The config.
        trained_labels: The classes of the network that is to be scored on the data, for sources
            whose masks alone do not tell them.
        trained_range: The range of samples that this network was trained with; None for none.
        trained_inputs: Its further inputs.
        label_map: The further label map that takes the place of the masks; None for none.
    """
    data = parse(DataOptions, resolve_config(cfg.data), "data")
    loaders = {
        each.name: getattr(data, each.name)
        for each in fields(data)
        if each.name not in _NOT_OF_LOADERS
    }
    # As plain containers: Hydra would make a config of a dataclass.
    facts = {"trained_labels": trained_labels, "trained_range": trained_range}
    known = {name: fact.to_dict() for name, fact in facts.items() if fact is not None}
    source = instantiate_with_available(data.source, "data.source", known)
    source = add_further_inputs(source, data.further_inputs, data.root, trained_inputs)
    if data.further_labels:
        maps = FurtherLabelMaps(source, data.further_labels, data.root)
        source = maps if label_map is None else ChosenLabelMap(maps, label_map)
    if cfg.get("folds") and cfg.get("fold") is not None:
        source = FoldSource(source, int(cfg.folds), int(cfg.fold), str(cfg.fold_by))
    if data.overfit_samples:
        source = FirstSamples(source, data.overfit_samples)
    if data.labelled_share is not None:
        source = LabelledShare(source, read_share(data.labelled_share))
    steps, mixing = _build_augmentation(cfg.get("augment"), source.labels)
    unlabelled = build_unlabelled(cfg, data, source)
    return DataModule(
        source,
        steps,
        mixing,
        seed=int(cfg.seed),
        unlabelled=unlabelled,
        **loaders,
    )


def add_further_inputs(
    source: SegmentationSource,
    folders: Mapping[str, Any] | None,
    root: str | None,
    trained: Sequence[FurtherInput] = (),
) -> SegmentationSource:
    """Return a data set with the inputs of ``data.further_inputs``, or as it is without any.

    Args:
        source: The data set.
        folders: Those inputs.
        root: The ``data.root``, in which they lie.
        trained: The further inputs of the network that is to be scored.

    Raises:
        ConfigError: The network has other inputs.
    """
    if folders or any(each.plate_offsets for each in trained):
        folders = folders or {}
        return StackedInputs(source, folders, root, trained)
    if (problem := explain_difference(trained, [], KEY)) is not None:
        raise ConfigError(problem)
    return source


def _build_augmentation(
    node: DictConfig | None, labels: LabelSpace
) -> tuple[list[AugmentationStep], list[MixingStep]]:
    """Build the steps and what mixes samples before them, each in the order of the config."""
    if node is None:
        return [], []
    plain = resolve_config(node)
    unknown = sorted(plain.keys() - {"steps", "mix"})
    if unknown:
        raise ConfigError(f"augment.{unknown[0]}: no such config key; allowed are steps and mix")
    known = {"class_names": list(labels.names), "ignore_index": labels.ignore_index}
    mixing = [
        instantiate_with_available(each, f"augment.mix.{name}", known)
        for name, each in (plain.get("mix") or {}).items()
    ]
    return list((instantiate(plain.get("steps")) or {}).values()), mixing


def build_task(
    cfg: DictConfig,
    labels: LabelSpace,
    channels: int,
    *,
    further_inputs: Sequence[FurtherInput] = (),
    frequencies: NDArray[np.float64] | None = None,
    label_maps: LabelMaps | None = None,
    parameter_options: ParameterOptions | None = None,
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
        metrics=build_metrics(cfg.get("metrics"), labels),
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


def build_net(
    node: DictConfig | Mapping[str, Any],
    classes: int,
    channels: int,
    normalise: torch.nn.Module | None = None,
    further_inputs: Sequence[FurtherInput] = (),
) -> torch.nn.Module:
    """Build the network; what it has to fit is passed where its constructor takes it.

    Args:
        node: A mapping with ``_target_``.
        classes: The number of classes.
        channels: The number of channels of the images.
        normalise: What makes its pixel values, for a network that converts the weights which it
            begins from; None where it begins from none.
        further_inputs: The inputs beside the image, whose channels are the last ones.
    """
    tree = resolve_config(node)
    check_targets(tree, "model")
    scale = getattr(normalise, "pixel_scale", None)
    net = instantiate(complete_network(tree, classes, channels, scale, further_inputs))
    if not isinstance(net, torch.nn.Module):
        raise ConfigError(f"model._target_={tree['_target_']} makes no torch.nn.Module")
    return net


def build_normalisation(
    node: DictConfig | Mapping[str, Any], channels: int, further_channels: int = 0
) -> torch.nn.Module:
    """Build what brings uint8 images to the values that the network takes."""
    known = {"channels": channels, "further_channels": further_channels}
    module: torch.nn.Module = instantiate_with_available(node, "normalize", known)
    return module


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
    """
    available = {
        "ignore_index": labels.ignore_index,
        "frequencies": frequencies,
        "num_classes": len(labels.names),
        "mode": "multiclass",  # of the losses of segmentation-models-pytorch
    }
    loss = instantiate_with_available(node, "loss", available, nested=True)
    if not isinstance(loss, torch.nn.Module):
        raise ConfigError(f"loss._target_={node.get('_target_')} makes no torch.nn.Module")
    return adapt_loss(loss, labels.ignore_index)


def build_metrics(
    node: DictConfig | Mapping[str, Any] | None, labels: LabelSpace
) -> dict[str, Metric]:
    """Build the metrics of torchmetrics that validation scores besides Outtake's own, by name."""
    available = {"ignore_index": labels.ignore_index, "num_classes": len(labels.names)}
    metrics: dict[str, Any] = instantiate_with_available(
        node or {}, "metrics", available, nested=True
    )
    taken = {"loss", *(metric.key for metric in METRICS)}
    for name, metric in metrics.items():
        if not isinstance(metric, Metric):
            raise ConfigError(f"metrics.{name}: {type(metric).__name__} is no torchmetrics.Metric")
        if name in taken:
            raise ConfigError(f"metrics.{name}: val/{name} is logged already; choose another name")
    return metrics
