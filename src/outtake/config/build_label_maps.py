"""What trains and scores the further label maps of a network, from a config."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from omegaconf import DictConfig

from outtake.config.build_task import build_loss
from outtake.config.instantiate import resolve_config
from outtake.core.labels import LabelSpace
from outtake.data.further_labels import label_map_weights
from outtake.training.label_maps import FurtherLabelMap, LabelMaps


def build_label_maps(
    cfg: DictConfig,
    classes: int,
    further: Mapping[str, LabelSpace],
    frequencies: Mapping[str, NDArray[np.float64]],
) -> LabelMaps | None:
    """Build what trains and scores further label maps, each with a loss of its own; None for none.

    Args:
        cfg: The config.
        classes: The number of classes of the masks.
        further: The classes of each further label map by its name.
        frequencies: The share of each of these classes in the training pixels.
    """
    if not further:
        return None
    weights = label_map_weights(resolve_config(cfg.data.further_labels))
    loss = _drop_class_factors(resolve_config(cfg.loss))
    maps = {
        name: FurtherLabelMap(space, build_loss(loss, space, frequencies.get(name)), weights[name])
        for name, space in further.items()
    }
    return LabelMaps(classes, maps)


def _drop_class_factors(node: Any) -> Any:
    """Return a loss without factors of classes, which are those of the masks."""
    if isinstance(node, list):
        return [_drop_class_factors(each) for each in node]
    if not isinstance(node, Mapping):
        return node
    kept = ((key, value) for key, value in node.items() if key != "class_factors")
    return {key: _drop_class_factors(value) for key, value in kept}
