"""Several label maps of one image: one network, whose last channels are divided among them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from outtake.core.labels import LabelSpace
from outtake.core.types import Batch
from outtake.evaluation.confusion_matrix import ConfusionMatrix
from outtake.evaluation.metrics import scores, to_log_dict
from outtake.models.training_logits import TrainingLogits, main_logits
from outtake.training.supervision_protocol import TrainingLoss
from outtake.training.validation_batch import decide_labels

Outputs = torch.Tensor | TrainingLogits
Groups = Sequence[tuple[slice, torch.Tensor]]


@dataclass(frozen=True)
class FurtherLabelMap:
    """A label map beside that of the masks.

    Attributes:
        labels: Its classes.
        loss: Logits (B, classes, H, W) and int64 labels to a scalar.
        weight: The weight of its loss in the sum.
    """

    labels: LabelSpace
    loss: nn.Module
    weight: float = 1.0


class LabelMaps(nn.Module):
    """Divides the logits of a network among label maps, and trains and scores the further ones.

    The last layer of a network, and each score that is added to it, gives a channel for each class:
    the classes of all label maps together are a head for each on what the network has in common
    (as the networks of Long et al. 2015 for semantic and geometric labels of SIFT Flow).

    Args:
        classes: The number of classes of the masks, whose logits come first.
        further: The further label maps by name, in the order of their logits.

    Attributes:
        places: Which channels are the logits of each, by name; those of the masks are None's.
    """

    def __init__(self, classes: int, further: Mapping[str, FurtherLabelMap]) -> None:
        super().__init__()
        self.further = dict(further)
        self.losses = nn.ModuleDict({_key(name): each.loss for name, each in further.items()})
        self.confusions = nn.ModuleDict(
            {
                _key(name): ConfusionMatrix(len(each.labels.names), each.labels.ignore_index)
                for name, each in further.items()
            }
        )
        self.places: dict[str | None, slice] = {None: slice(0, classes)}
        for name, each in further.items():
            begin = self.total
            self.places[name] = slice(begin, begin + len(each.labels.names))

    @property
    def total(self) -> int:
        """The number of classes of all label maps together."""
        last: int = list(self.places.values())[-1].stop
        return last

    def select(self, outputs: Outputs, name: str | None) -> Outputs:
        """Return the logits of one label map, of heads for training too; None is the masks'.

        A head for boundaries is one for those of the masks.
        """
        place = self.places[name]
        if not isinstance(outputs, TrainingLogits):
            return outputs[:, place]
        heads = {head: logits[:, place] for head, logits in outputs.auxiliary.items()}
        boundary = outputs.boundary if name is None else None
        return TrainingLogits(outputs.main[:, place], heads, boundary)

    def training_loss(self, outputs: Outputs, batch: Batch, loss: nn.Module) -> TrainingLoss:
        """Return the weighted sum of the losses, and each of them as a part.

        Args:
            outputs: What the network gave.
            batch: A batch with ``further_masks``.
            loss: The loss of the masks.
        """
        value: torch.Tensor = loss(self.select(outputs, None), batch["mask"])
        parts = {"labels": value.detach(), **getattr(loss, "parts", {})}
        for name, own in self._iter_losses():
            given = self.select(outputs, name)
            trained = given if getattr(own, "takes_training_logits", False) else main_logits(given)
            each: torch.Tensor = own(trained, batch["further_masks"][name])
            parts[name] = each.detach()
            value = value + self.further[name].weight * each
        return TrainingLoss(value, parts)

    def select_groups(self, groups: Groups, name: str | None) -> Groups:
        """Return the logits of one label map of groups of images; None is the masks'."""
        return [(some, logits[:, self.places[name]]) for some, logits in groups]

    def validate(self, groups: Groups, batch: Batch) -> torch.Tensor:
        """Count the further label maps of a batch of validation; return their weighted loss.

        Args:
            groups: Which images of the batch, and the logits of all their label maps, float32
                (b, classes of all, h, w).
            batch: A batch with ``further_masks``, uint8 (B, H, W).
        """
        total = torch.zeros((), device=batch["mask"].device)
        for name, own in self._iter_losses():
            truth, each = batch["further_masks"][name], self.further[name]
            given = self.select_groups(groups, name)
            predicted, loss = decide_labels(given, truth, own, each.labels.ignore_index)
            confusion = self.confusions[_key(name)]
            assert isinstance(confusion, ConfusionMatrix)
            confusion.update(predicted, truth)
            total = total + each.weight * loss
        return total

    def take_scores(self) -> dict[str, float]:
        """Return the scores of the further label maps, as ``val/NAME/miou``, and reset them."""
        found: dict[str, float] = {}
        for name, each in self.further.items():
            confusion = self.confusions[_key(name)]
            assert isinstance(confusion, ConfusionMatrix)
            record = to_log_dict(scores(confusion.counts(), each.labels.names), f"val/{name}")
            confusion.reset()
            found |= {f"val/{name}/miou": 0.0} | record
        return found

    def _iter_losses(self) -> list[tuple[str, nn.Module]]:
        return [(name, self.losses[_key(name)]) for name in self.further]


def _key(name: str) -> str:
    """Return a name of a submodule, which may hold no point and be no attribute of a module."""
    return f"map_{name.replace('.', '_')}"
