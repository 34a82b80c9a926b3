"""From a composed config to the metrics of torchmetrics that validation scores, each tried."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import torch
from omegaconf import DictConfig
from torchmetrics import Metric

from outtake.config.instantiate import instantiate_with_available, select_entries
from outtake.core.errors import ConfigError, OuttakeError
from outtake.core.labels import LabelSpace
from outtake.core.printable_text import first_line
from outtake.evaluation.metrics import METRICS
from outtake.training.labelled_pixels import LabelledPixels
from outtake.training.metric_values import take_metric_values

_TRIED_SIZE = (32, 32)

Values = dict[str, float]


def build_metrics(
    node: DictConfig | Mapping[str, Any] | None, labels: LabelSpace, *, has_unlabelled: bool = True
) -> dict[str, Metric]:
    """Build the metrics of torchmetrics that validation scores besides Outtake's own, by name.

    One that counts pixels without a label, or fails for them, is given the labelled ones alone.

    Args:
        node: A mapping with ``_target_`` for each name.
        labels: The classes.
        has_unlabelled: Whether images that are validated have pixels without a label.

    Raises:
        ConfigError: One is no metric of class ids, or cannot do without pixels that have no label.
    """
    available = {"ignore_index": labels.ignore_index, "num_classes": len(labels.names)}
    metrics: dict[str, Any] = instantiate_with_available(
        select_entries(node, "metrics"), "metrics", available, nested=True
    )
    taken = {"loss", *(metric.key for metric in METRICS)}
    for name, metric in metrics.items():
        if not isinstance(metric, Metric):
            raise ConfigError(f"metrics.{name}: {type(metric).__name__} is no torchmetrics.Metric")
        if name in taken:
            raise ConfigError(f"metrics.{name}: val/{name} is logged already; choose another name")
        _try_metric(name, metric, labels)
    if not has_unlabelled:
        return metrics
    return {name: _leave_out_unlabelled(name, each, labels) for name, each in metrics.items()}


def _try_metric(name: str, metric: Metric, labels: LabelSpace) -> None:
    """Raise a ConfigError if a metric fails, before the epoch whose end would show it."""
    ids = tried_ids(len(labels.names))
    try:
        _compute(name, metric, ids, ids, labels)
    except OuttakeError:
        raise
    except Exception as error:
        raise ConfigError(
            f"metrics.{name}: {type(metric).__name__} fails for class ids (batch, height, width): "
            f"{first_line(error)}; choose one that takes predicted and true class ids"
        ) from error


def _leave_out_unlabelled(name: str, metric: Metric, labels: LabelSpace) -> Metric:
    """Return a metric that does not count pixels without a label: as it is, or wrapped.

    What it does with them shows in no signature, so it is tried.

    Raises:
        ConfigError: It counts them, and depends on where pixels lie.
    """
    classes, draws = len(labels.names), torch.Generator().manual_seed(0)
    truth = tried_ids(classes)
    wrong = torch.randint(classes, truth.shape, generator=draws)
    predicted = torch.where(torch.rand(truth.shape, generator=draws) < 0.3, wrong, truth)
    some = torch.rand(truth.shape, generator=draws) < 0.2
    holes = torch.where(some, labels.ignore_index, truth)
    alone = LabelledPixels(metric, labels.ignore_index)

    def compute(each: Metric, guess: torch.Tensor, true: torch.Tensor) -> Values | None:
        try:
            return _compute(name, each, guess, true, labels)
        except Exception:  # whatever a library may raise for what it does not take
            return None

    got = compute(metric, predicted, holes)
    if _agree(compute(metric, predicted, truth), compute(alone, predicted, truth)):
        return metric if _agree(got, compute(alone, predicted, holes)) else alone
    # Where pixels lie matters, so all that shows is whether what is predicted at these does.
    if _agree(got, compute(metric, torch.where(some, wrong, predicted), holes)):
        return metric
    raise ConfigError(
        f"metrics.{name}: {type(metric).__name__} counts pixels without a label, of which val has "
        "some, and depends on where pixels lie, so that they cannot be left out; choose a metric "
        "with ignore_index, or label all of val"
    )


def _compute(
    name: str, metric: Metric, predicted: torch.Tensor, truth: torch.Tensor, labels: LabelSpace
) -> Values:
    """Return the values of a copy of a metric."""
    tried = metric.clone()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what is tried here and means nothing
        tried.update(predicted, truth)
        return take_metric_values({name: tried}, labels.names)


def _agree(first: Values | None, second: Values | None) -> bool:
    if first is None or second is None or first.keys() != second.keys():
        return False
    return all(abs(first[key] - second[key]) <= 1e-4 * (1 + abs(first[key])) for key in first)


def tried_ids(classes: int) -> torch.Tensor:
    """Return ids of all classes, int64 (2, height, width)."""
    height, width = _TRIED_SIZE
    return (torch.arange(2 * height * width) % classes).reshape(2, height, width)
