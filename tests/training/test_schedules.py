from __future__ import annotations

import pytest
import torch

from outtake.core.errors import ConfigError
from outtake.training.schedules import cosine, one_cycle, poly


def rates(make, steps: int, **options: float) -> list[float]:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0, momentum=0.9)
    schedule = make(optimizer, steps, **options)
    seen = []
    for _ in range(steps):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return seen


def test_poly_follows_its_formula() -> None:
    assert rates(poly, 10) == pytest.approx([(1 - t / 10) ** 0.9 for t in range(10)])


def test_cosine_starts_high_and_ends_low() -> None:
    seen = rates(cosine, 20, lr_min=0.01)
    assert seen[0] == 1.0 and seen == sorted(seen, reverse=True)
    assert seen[10] == pytest.approx(0.505)


def test_one_cycle_peaks_at_the_optimizers_rate() -> None:
    seen = rates(one_cycle, 100, warmup_share=0.25)
    assert max(seen) == pytest.approx(1.0) and 20 <= seen.index(max(seen)) <= 26
    assert seen[0] < 0.1 and seen[-1] < 0.01


@pytest.mark.parametrize("make", [poly, cosine])
def test_warmup_rises_then_the_schedule_begins(make) -> None:
    seen = rates(make, 30, warmup_steps=5)
    assert seen[:5] == sorted(seen[:5]) and seen[0] < 0.2
    assert max(seen) == pytest.approx(1.0) and seen[-1] < 0.1


def test_one_cycle_may_fall_only() -> None:
    seen = rates(one_cycle, 10, warmup_share=0)
    assert seen == sorted(seen, reverse=True)


@pytest.mark.parametrize("steps", [4, 10])
def test_one_cycle_may_rise_over_one_step(steps: int) -> None:
    seen = rates(one_cycle, steps, warmup_share=1 / steps)
    assert seen == sorted(seen, reverse=True) and seen[0] == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("make", "options"),
    [(poly, {"power": -1}), (poly, {"warmup_steps": -1}), (cosine, {"warmup_steps": -2})],
)
def test_what_no_schedule_can_be_is_refused(make, options: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="at least 0"):
        rates(make, 10, **options)


@pytest.mark.parametrize("share", [1, 1.0])
def test_a_cycle_that_only_rises_is_refused(share: float) -> None:
    with pytest.raises(ConfigError, match=f"scheduler.warmup_share={share}: must be below 1"):
        rates(one_cycle, 10, warmup_share=share)
