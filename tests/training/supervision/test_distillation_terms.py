"""The terms of a teacher are what their papers say, and are those of the whole batch."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from outtake.training.supervision import distillation_terms as terms

GENERATOR = torch.Generator().manual_seed(0)
STUDENT, TEACHER = (torch.randn(2, 3, 4, 5, generator=GENERATOR) * 3 for _ in range(2))
ALL = torch.ones(2, 4, 5, dtype=torch.bool)


def softened(logits: torch.Tensor, temperature: float) -> np.ndarray:
    powers = np.exp(logits.double().numpy() / temperature)
    return powers / powers.sum(1, keepdims=True)


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_the_divergence_is_that_of_hinton(temperature: float) -> None:
    own, other = softened(STUDENT, temperature), softened(TEACHER, temperature)
    expected = temperature**2 * (other * np.log(other / own)).sum(1).mean()
    found = terms.soft_label_divergence(STUDENT, TEACHER, ALL, temperature)
    assert float(found) == pytest.approx(expected, rel=1e-5)
    same = terms.soft_label_divergence(TEACHER, TEACHER, ALL, temperature)
    assert float(same) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("power", [1, 2])
def test_logits_differ_by_their_mean_distance(power: int) -> None:
    expected = ((STUDENT - TEACHER).abs() ** power).mean()
    assert torch.isclose(terms.logit_difference(STUDENT, TEACHER, ALL, power), expected)


def test_pixels_that_do_not_count_change_nothing_and_none_at_all_is_no_loss() -> None:
    valid = ALL.clone()
    valid[1] = False
    other = TEACHER.clone()
    other[1] = float("nan")  # of a place outside the image
    found = terms.soft_label_divergence(STUDENT, other, valid, 2.0)
    assert torch.isclose(found, terms.soft_label_divergence(STUDENT[:1], TEACHER[:1], ALL[:1], 2.0))
    student = STUDENT.clone().requires_grad_()
    nothing = terms.logit_difference(student, TEACHER, torch.zeros_like(ALL), 2)
    nothing.backward()
    assert float(nothing.detach()) == 0 and not student.grad.any()


def test_affinities_are_cosines_of_all_pairs_whatever_the_channels_and_sizes() -> None:
    own, other = torch.randn(1, 2, 2, 2), torch.randn(1, 5, 4, 4)
    pooled = other.reshape(1, 5, 2, 2, 2, 2).mean((3, 5))

    def cosines(maps: torch.Tensor) -> torch.Tensor:
        nodes = maps[0].flatten(1)
        return torch.stack(
            [torch.cosine_similarity(nodes, nodes[:, [i]].expand_as(nodes), 0) for i in range(4)]
        )

    expected = (cosines(own) - cosines(pooled)).square().mean()
    assert torch.isclose(terms.affinity_difference(own, other, 16), expected, atol=1e-6)
    assert float(terms.affinity_difference(own, 3 * own, 16)) == pytest.approx(0, abs=1e-10)


def test_features_are_compared_at_the_size_of_the_teacher() -> None:
    own, other = torch.full((1, 2, 3, 3), 1.0), torch.full((1, 2, 6, 6), 3.0)
    assert float(terms.feature_difference(own, other)) == pytest.approx(4.0)
