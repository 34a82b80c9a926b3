"""How far a student is from its teacher: in probabilities, logits, affinities and features.

Each is a mean over the whole batch, of all ranks together: a rank returns its part, scaled so that
the mean over the ranks is that of the batch.
"""

from __future__ import annotations

import torch
from torch.nn import functional as F

from outtake.models.deterministic_resize import deterministic_resizing
from outtake.training.collectives import all_reduce_sum, world_size
from outtake.training.supervision.feature_maps import resize_maps


def mean_of_batch(values: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
    """Return the mean of some values over the global batch, 0 where none is valid.

    Args:
        values: Floats of any shape.
        valid: bool of the same shape: which of them count.
    """
    count = all_reduce_sum(valid.sum()).clamp(min=1)
    return torch.where(valid, values, values.new_zeros(())).sum() * world_size() / count


def soft_label_divergence(
    student: torch.Tensor, teacher: torch.Tensor, valid: torch.Tensor, temperature: float
) -> torch.Tensor:
    """Return the divergence of the student's probabilities from the teacher's, both softened.

    Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network", 2015. It is
    multiplied by the square of the temperature, so that its gradients keep their size.

    Args:
        student: Logits, float (B, classes, H, W).
        teacher: Logits of the same shape.
        valid: bool (B, H, W): which pixels count.
        temperature: What both are divided by.
    """
    log_student = F.log_softmax(student.float() / temperature, 1)
    log_teacher = F.log_softmax(teacher.float() / temperature, 1)
    divergence = (log_teacher.exp() * (log_teacher - log_student)).sum(1)
    return mean_of_batch(divergence, valid) * temperature**2


def logit_difference(
    student: torch.Tensor, teacher: torch.Tensor, valid: torch.Tensor, power: int
) -> torch.Tensor:
    """Return the mean absolute (power 1) or squared (2) difference of logits (B, classes, H, W)."""
    difference = (student.float() - teacher.float()).abs().pow(power).mean(1)
    return mean_of_batch(difference, valid)


def affinity_difference(student: torch.Tensor, teacher: torch.Tensor, grid: int) -> torch.Tensor:
    """Return how much the pairs of places are otherwise alike to the student than to the teacher.

    Liu et al., "Structured Knowledge Distillation for Semantic Segmentation", 2019: maps are
    averaged to at most ``grid`` x ``grid`` nodes, the affinity of two nodes is the cosine of their
    features, and the squared difference of the affinities is averaged over all pairs.

    Args:
        student: Features, float (B, C, h, w).
        teacher: Features of any number of channels and any size, float (B, D, H, W).
        grid: The largest number of nodes along a side.
    """
    height, width = (
        min(grid, *sides) for sides in zip(student.shape[2:], teacher.shape[2:], strict=True)
    )
    with torch.autocast(student.device.type, enabled=False):
        own, other = (_affinities(each.float(), (height, width)) for each in (student, teacher))
        squared = (own - other).square().mean((1, 2))
    return mean_of_batch(squared, torch.ones_like(squared, dtype=torch.bool))


def feature_difference(adapted: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    """Return the mean squared difference of features, resized to the teacher's (B, C, H, W).

    Romero et al., "FitNets: Hints for Thin Deep Nets", 2015.
    """
    size = (int(teacher.shape[-2]), int(teacher.shape[-1]))
    resized = resize_maps(adapted.float(), size)
    squared = (resized - teacher.float()).square().mean((1, 2, 3))
    return mean_of_batch(squared, torch.ones_like(squared, dtype=torch.bool))


def _affinities(maps: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Map features (B, C, h, w) to the cosines of all pairs of nodes, (B, nodes, nodes)."""
    with deterministic_resizing(maps):
        nodes = F.adaptive_avg_pool2d(maps, size).flatten(2)
    unit = F.normalize(nodes, dim=1)
    return unit.transpose(1, 2) @ unit
