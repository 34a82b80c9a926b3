from __future__ import annotations

import pytest
import torch
import yaml

from outtake.config.compose import CONF_DIR
from outtake.config.instantiate import instantiate
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


# What each schedule can be beside its defaults, which the contract is held to as well.
FURTHER_OPTIONS = {
    "cosine": {"lr_min": 0.01, "warmup_steps": 3},
    "one_cycle": {"warmup_share": 0.5},
    "poly": {"power": 2.0, "warmup_steps": 3},
}
SCHEDULES = sorted(path.stem for path in (CONF_DIR / "scheduler").glob("*.yaml"))


@pytest.mark.parametrize("scales", [(0.1, 10.0), (10.0, 100.0), (1.0, 1.0)])
@pytest.mark.parametrize("own_options", [False, True])
@pytest.mark.parametrize("name", SCHEDULES)
def test_each_group_has_its_multiple_of_the_rate_at_every_step(
    name: str, own_options: bool, scales: tuple[float, float]
) -> None:
    node = yaml.safe_load((CONF_DIR / "scheduler" / f"{name}.yaml").read_text())
    make = instantiate(node | (FURTHER_OPTIONS[name] if own_options else {}))

    def rates_of_groups(multiples: tuple[float, ...]) -> list[list[float]]:
        groups = [{"params": [torch.nn.Parameter(torch.zeros(1))]} for _ in multiples]
        scaled = [
            group | ({} if multiple == 1 else {"lr": 0.3 * multiple})
            for group, multiple in zip(groups, multiples, strict=True)
        ]
        optimizer = torch.optim.AdamW(scaled, lr=0.3)
        schedule, seen = make(optimizer, 20), []
        for _ in range(20):
            seen.append([group["lr"] for group in optimizer.param_groups])
            optimizer.step()
            schedule.step()
        return [*seen, [group["lr"] for group in optimizer.param_groups]]

    alone = rates_of_groups((1.0,))
    for (rate,), found in zip(alone, rates_of_groups(scales), strict=True):
        assert found == pytest.approx([scale * rate for scale in scales], rel=1e-12)


@pytest.mark.parametrize("scale", [0.1, 1.0, 10.0])
def test_cosine_ends_at_its_lowest_rate_whatever_other_groups_have(scale: float) -> None:
    weights = [torch.nn.Parameter(torch.zeros(1)) for _ in range(2)]
    groups = [{"params": [weights[0]]}, {"params": [weights[1]], "lr": scale}]
    optimizer = torch.optim.SGD(groups, lr=1.0)
    schedule = cosine(optimizer, 10, lr_min=0.01)
    for _ in range(10):
        optimizer.step()
        schedule.step()
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.01)
    assert optimizer.param_groups[1]["lr"] == pytest.approx(0.01 * scale)
