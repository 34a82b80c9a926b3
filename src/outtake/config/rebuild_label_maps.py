"""The further label maps of a network, from a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping

from outtake.core.labels import LabelSpace
from outtake.training.label_maps import FurtherLabelMap, LabelMaps
from outtake.training.losses.cross_entropy import CrossEntropy


def rebuild_label_maps(classes: int, further: Mapping[str, LabelSpace]) -> LabelMaps | None:
    """Build what divides the logits of a trained network, which only predicts; None for none.

    Args:
        classes: The number of classes of the masks.
        further: The classes of each further label map by its name.
    """
    if not further:
        return None
    losses = {name: CrossEntropy(ignore_index=each.ignore_index) for name, each in further.items()}
    maps = {name: FurtherLabelMap(each, losses[name]) for name, each in further.items()}
    return LabelMaps(classes, maps)
