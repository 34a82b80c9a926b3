"""Training by a teacher: a network that is trained already says what a pixel may be."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import nn

from outtake.core.errors import ConfigError
from outtake.core.types import Batch
from outtake.core.validate import check_number
from outtake.models.training_logits import TrainingLogits, first_logits, main_logits
from outtake.training.supervision.distillation_terms import (
    affinity_difference,
    feature_difference,
    logit_difference,
    soft_label_divergence,
)
from outtake.training.supervision.feature_maps import (
    count_channels,
    find_feature_module,
    recorded_maps,
)
from outtake.training.supervision.frozen_network import FrozenNetwork
from outtake.training.supervision.unlabelled_batch import Images, unlabelled_part
from outtake.training.supervision_protocol import Supervision, TrainingLoss
from outtake.training.task import SegmentationTask

TERMS = ("kl", "l1", "l2", "affinity", "features")
_OF_MAPS = ("affinity", "features")


class Distillation(Supervision):
    """The loss of the labels, and how far the network is from a teacher.

    The teacher sees the same augmented images, normalised as it was trained. It counts where
    there is no label too.

    Args:
        net: The network that is trained; only its modules are looked up.
        channels: The number of channels of an image.
        teacher: The teacher; several networks have probabilities in common, which only ``kl``
            compares.
        weights: The weight of each term, 0 or more: ``kl`` of softened probabilities, ``l1`` and
            ``l2`` of logits, ``affinity`` of pairs of places, ``features`` inside the networks.
        temperature: What logits are divided by in ``kl``.
        label_weight: The weight of the loss of the labels.
        images: Which images the teacher is asked about: ``labelled``, ``unlabelled`` or ``both``.
        asked_share: The share of these images in each batch, above 0 to 1: the teacher costs so
            much less, and sees each image in some of the epochs.
        pixel_step: ``kl``, ``l1`` and ``l2`` compare every n-th row and column: logits that a
            network interpolates tell no more at the places between.
        affinity_grid: The largest number of places along a side in ``affinity``.
        student_features: The module of the network whose map the last two terms compare; None
            looks for its encoder.
        teacher_features: The same of the teacher.

    Raises:
        ConfigError: A term or a module does not exist, or a number is not in its range.
    """

    def __init__(
        self,
        net: nn.Module,
        channels: int,
        teacher: FrozenNetwork,
        weights: Mapping[str, float | None],
        *,
        temperature: float = 1.0,
        label_weight: float = 1.0,
        images: Images = "labelled",
        asked_share: float = 1.0,
        pixel_step: int = 4,
        affinity_grid: int = 16,
        student_features: str | None = None,
        teacher_features: str | None = None,
    ) -> None:
        super().__init__()
        self.weights = _check_weights(weights)
        further = [name for name in self.weights if name != "kl"]
        if teacher.net is None and further:
            raise ConfigError(
                f"supervision.weights: {', '.join(further)} cannot be compared with several "
                f"teachers ({teacher.name}); name one, or keep kl alone"
            )
        check_number("supervision.temperature", temperature, 0.01)
        check_number("supervision.label_weight", label_weight, 0)
        check_number("supervision.asked_share", asked_share, 0.01, 1)
        check_number("supervision.pixel_step", pixel_step, 1, whole=True)
        check_number("supervision.affinity_grid", affinity_grid, 2, whole=True)
        self.temperature, self.label_weight = temperature, label_weight
        self.images, self.affinity_grid = images, affinity_grid
        self.asked_share, self.pixel_step = asked_share, pixel_step
        self.teacher = teacher
        self.record = {"teacher_sha256": teacher.sha256}
        self._student_features = student_features
        self._teacher_features = teacher_features
        self.adapter: nn.Module | None = None
        if self._compares_maps:
            self._connect_features(net, channels)

    @property
    def _compares_maps(self) -> bool:
        return any(name in self.weights for name in _OF_MAPS)

    def _connect_features(self, net: nn.Module, channels: int) -> None:
        own, other = self._find_modules(net)
        width = count_channels(net, own, channels, "supervision.student_features")
        key = "supervision.teacher_features"
        assert self.teacher.net is not None  # several are compared by kl alone
        teacher_width = count_channels(self.teacher.net, other, channels, key)
        if "features" in self.weights:
            self.adapter = nn.Conv2d(width, teacher_width, 1)

    def _find_modules(self, net: nn.Module) -> tuple[nn.Module, nn.Module]:
        # Found anew each time: a module that is kept here would become a part of this one.
        key = "supervision.student_features"
        own = find_feature_module(net, self._student_features, key, "the network")
        key = "supervision.teacher_features"
        assert self.teacher.net is not None  # several are compared by kl alone
        other = find_feature_module(self.teacher.net, self._teacher_features, key, "the teacher")
        return own, other

    def forward(self, task: SegmentationTask, batch: Batch) -> TrainingLoss:
        """Return the loss of a batch, that of its labels included."""
        images, mask = batch["image"], batch["mask"]
        labelled = len(images)
        valid = torch.ones_like(mask, dtype=torch.bool)
        if self.images != "labelled":
            further = unlabelled_part(batch)
            images = torch.cat([images, further["image"]])
            valid = torch.cat([valid, further["valid"]])
        first = labelled if self.images == "unlabelled" else 0
        asked = self._choose_images(first, len(images), task.global_step)
        outputs, own_maps, teacher_logits, teacher_maps = self._run(task, images, asked)
        logits = main_logits(outputs)
        loss = self.label_weight * task.loss(first_logits(outputs, labelled), mask)
        parts = {"labels": loss.detach(), **getattr(task.loss, "parts", {})}
        for name, weight in self.weights.items():
            if name in _OF_MAPS:
                term = self._compare_maps(name, own_maps, teacher_maps)
            else:
                term = self._compare(name, logits, teacher_logits, valid, asked)
            parts[name] = term.detach()
            loss = loss + weight * term
        return TrainingLoss(loss, parts)

    def _choose_images(self, first: int, count: int, step: int) -> torch.Tensor:
        """Return the images of a batch that the teacher is asked about, others in each step.

        They are spread over the places from the first one on, so that with ``images=both`` neither
        kind is left out for good.
        """
        places = count - first
        asked = math.ceil(self.asked_share * places)
        return first + (torch.arange(asked) * places // asked + step) % places

    def _run(
        self, task: SegmentationTask, images: torch.Tensor, asked: torch.Tensor
    ) -> tuple[torch.Tensor | TrainingLogits, torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return outputs of all images, and logits and features of those that are asked about."""
        none = images.new_zeros(())
        if not self._compares_maps:
            return task.training_outputs(images), none, self.teacher(images[asked]), none
        own, other = self._find_modules(task.net)
        with recorded_maps(own) as own_maps:
            outputs = task.training_outputs(images)
        with recorded_maps(other) as teacher_maps:
            teacher_logits = self.teacher(images[asked])
        return outputs, own_maps[-1][asked], teacher_logits, teacher_maps[-1]

    def _compare(
        self,
        name: str,
        student: torch.Tensor,
        teacher: torch.Tensor,
        valid: torch.Tensor,
        asked: torch.Tensor,
    ) -> torch.Tensor:
        step = self.pixel_step
        student, valid = student[..., ::step, ::step][asked], valid[..., ::step, ::step][asked]
        teacher = teacher[..., ::step, ::step]
        if name == "kl":
            return soft_label_divergence(student, teacher, valid, self.temperature)
        return logit_difference(student, teacher, valid, 1 if name == "l1" else 2)

    def _compare_maps(self, name: str, own: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
        if name == "affinity":
            return affinity_difference(own, teacher, self.affinity_grid)
        assert self.adapter is not None
        return feature_difference(self.adapter(own), teacher)


def _check_weights(weights: Mapping[str, float | None]) -> dict[str, float]:
    """Return the weights of the terms that count."""
    for name, weight in weights.items():
        if name not in TERMS:
            raise ConfigError(
                f"supervision.weights.{name}: no such term; there are {', '.join(TERMS)}"
            )
        check_number(f"supervision.weights.{name}", weight, 0, optional=True)
    kept = {name: float(weights.get(name) or 0) for name in TERMS}
    kept = {name: weight for name, weight in kept.items() if weight}
    if not kept:
        raise ConfigError(
            f"supervision.weights: all are 0, so the teacher has no part in training; set one of "
            f"{', '.join(TERMS)}, or supervision=supervised"
        )
    return kept
