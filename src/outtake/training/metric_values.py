"""The values of torchmetrics' metrics after a validation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torchmetrics import Metric

from outtake.core.errors import ConfigError


def take_metric_values(metrics: Mapping[str, Metric], classes: Sequence[str]) -> dict[str, float]:
    """Return the values of metrics as ``val/NAME`` and ``val/NAME/CLASS``, and reset them.

    Values that are NaN are left out.

    Args:
        metrics: The metrics by name.
        classes: The names of the classes.

    Raises:
        ConfigError: A metric gives neither a scalar nor one value for each class.
    """
    record: dict[str, float] = {}
    for name, metric in metrics.items():
        value = torch.as_tensor(metric.compute())
        metric.reset()
        if not value.dim():
            record[f"val/{name}"] = float(value)
        elif value.shape == (len(classes),):
            each = zip(classes, value.tolist(), strict=True)
            record |= {f"val/{name}/{label}": number for label, number in each}
        else:
            raise ConfigError(
                f"metrics.{name} gives a tensor {tuple(value.shape)}: a scalar or one value "
                "for each class is needed"
            )
    return {key: number for key, number in record.items() if number == number}
