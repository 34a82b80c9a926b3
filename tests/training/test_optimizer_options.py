"""A resumed run trains with the options that its config names, from the first step on."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest
import torch

from outtake.config.compose import compose
from outtake.config.instantiate import instantiate
from outtake.programs.train import train
from outtake.training.checkpoint_files import read_checkpoint
from tests.tiers import keep_few

STEPS = 4  # of an epoch


def saved_at_ends(runs: ModuleType, pairs: Path, epochs: int) -> list[str]:
    """The tiny run, which saves what its end asks for."""
    return [*runs.options(pairs, epochs=epochs), "checkpoint_every_n_steps=null"]


def planned_rates(overrides: list[str], steps: int) -> list[float]:
    """The rate of each step of a run that has these options from the beginning."""
    cfg = compose("train", overrides)
    optimizer = instantiate(cfg.optimizer)([torch.nn.Parameter(torch.zeros(1))])
    schedule = instantiate(cfg.scheduler)(optimizer, steps) if cfg.get("scheduler") else None
    rates = []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if schedule is not None:
            schedule.step()
    return rates


def logged_rates(runs: ModuleType, run: Path) -> list[float]:
    return [record["lr-AdamW"] for record in runs.records(run) if "lr-AdamW" in record]


@pytest.mark.parametrize("scheduler", ["one_cycle", "null"])
def test_what_is_changed_on_resumption_takes_effect(
    runs: ModuleType, pairs: Path, tmp_path: Path, scheduler: str
) -> None:
    begun = [*saved_at_ends(runs, pairs, epochs=1), f"scheduler={scheduler}"]
    train(compose("train", begun), tmp_path / "run")
    changed = ["optimizer.lr=0.02", "optimizer.weight_decay=0.3", "trainer.max_epochs=3"]
    train(compose("train", [f"resume={tmp_path / 'run'}", *changed]), overrides=changed)
    if scheduler == "null":  # one record for each epoch
        assert logged_rates(runs, tmp_path / "run")[-2:] == [0.02, 0.02]
    else:
        planned = planned_rates([*begun, *changed], 3 * STEPS)
        rates = logged_rates(runs, tmp_path / "run")
        assert rates[STEPS:] == pytest.approx(planned[STEPS:], rel=1e-9)
    saved = read_checkpoint(tmp_path / "run" / "checkpoints" / "last.ckpt")
    (group,) = saved["optimizer_states"][0]["param_groups"]
    assert group["weight_decay"] == 0.3 and (group["lr"] == 0.02) == (scheduler == "null")


def test_a_longer_run_follows_its_schedule_from_the_first_step(
    runs: ModuleType, pairs: Path, tmp_path: Path
) -> None:
    begun = [*saved_at_ends(runs, pairs, epochs=1), "scheduler=cosine"]
    train(compose("train", begun), tmp_path / "run")
    before = logged_rates(runs, tmp_path / "run")
    longer = ["trainer.max_epochs=2", "+scheduler.lr_min=1e-5"]
    train(compose("train", [f"resume={tmp_path / 'run'}", *longer]), overrides=longer)
    after = logged_rates(runs, tmp_path / "run")
    assert after[:STEPS] == before
    planned = planned_rates([*begun, longer[0], longer[1].lstrip("+")], 2 * STEPS)
    assert after[STEPS:] == pytest.approx(planned[STEPS:])


SHORTER = [
    ("one_cycle", "data.batch_size=4"),
    ("one_cycle", "data.samples_per_epoch=4"),
    ("poly", "trainer.accumulate_grad_batches=2"),
    ("poly", "data.batch_size=4"),
]


@pytest.mark.parametrize(("scheduler", "change"), keep_few(SHORTER, [SHORTER[0], SHORTER[2]]))
def test_a_schedule_ends_with_the_run_where_epochs_have_other_steps_than_before(
    runs: ModuleType, pairs: Path, tmp_path: Path, scheduler: str, change: str
) -> None:
    begun = [*saved_at_ends(runs, pairs, epochs=1), f"scheduler={scheduler}"]
    train(compose("train", begun), tmp_path / "run")
    changed = [change, "trainer.max_epochs=3"]
    train(compose("train", [f"resume={tmp_path / 'run'}", *changed]), overrides=changed)
    # While gradients accumulate, a rate is logged several times.
    rates = list(dict.fromkeys(logged_rates(runs, tmp_path / "run")[STEPS:]))
    assert rates == pytest.approx(planned_rates(begun, STEPS + 2 * 2)[STEPS:])
    # Once more, from inside an epoch.
    for limit in (9, -1):
        longer = [f"resume={tmp_path / 'run'}", f"+trainer.max_steps={limit}"]
        longer.append("trainer.max_epochs=5")
        before = len(logged_rates(runs, tmp_path / "run"))
        train(compose("train", longer), overrides=longer[1:])
    rates = list(dict.fromkeys(logged_rates(runs, tmp_path / "run")[before:]))
    assert rates == pytest.approx(planned_rates(begun, STEPS + 4 * 2)[-3:])


@pytest.mark.parametrize("scheduler", keep_few(["one_cycle", "cosine", "null"], ["one_cycle"]))
def test_what_is_changed_of_groups_takes_effect_in_each(
    runs: ModuleType, pairs: Path, tmp_path: Path, scheduler: str
) -> None:
    begun = [
        *saved_at_ends(runs, pairs, epochs=1),
        f"scheduler={scheduler}",
        "+parameter_groups.first={match: '0', lr_scale: 0.1}",
        "decay_norms_and_biases=false",
    ]
    train(compose("train", begun), tmp_path / "run")
    changed = [
        "optimizer.lr=0.02",
        "optimizer.weight_decay=0.3",
        "+parameter_groups.first.lr_scale=0.5",
        "trainer.max_epochs=2",
    ]
    resume = [f"resume={tmp_path / 'run'}", *changed]
    train(compose("train", resume), overrides=changed)
    # The same from the beginning ends with the same options and rates.
    whole = [*begun[:-2], "+parameter_groups.first={match: '0', lr_scale: 0.5}", begun[-1]]
    train(compose("train", [*whole, *changed[:2], changed[3]]), tmp_path / "whole")

    def groups(run: str) -> dict[str, dict]:
        saved = read_checkpoint(tmp_path / run / "checkpoints" / "last.ckpt")
        return {group["name"]: group for group in saved["optimizer_states"][0]["param_groups"]}

    found, expected = groups("run"), groups("whole")
    assert found.keys() == {"default", "first", "first_no_decay", "default_no_decay"}
    for name, group in expected.items():
        assert found[name]["lr"] == pytest.approx(group["lr"], rel=1e-9), name
        assert found[name]["weight_decay"] == group["weight_decay"], name
        assert found[name]["betas"] == pytest.approx(group["betas"])
    began = "lr" if scheduler == "null" else "initial_lr"
    assert found["first"][began] == pytest.approx(0.5 * found["default"][began])


def test_a_resumed_run_with_groups_gives_the_bits_of_one_that_was_not_interrupted(
    runs: ModuleType, pairs: Path, tmp_path: Path
) -> None:
    # Without a schedule, whose length the limit below would change.
    options = ["scheduler=null", "+parameter_groups.first={match: '0', lr_scale: 0.1}"]
    whole = [*saved_at_ends(runs, pairs, epochs=2), *options]
    train(compose("train", whole), tmp_path / "whole")
    train(compose("train", [*whole, "+trainer.max_steps=5"]), tmp_path / "run")
    resume = [f"resume={tmp_path / 'run'}", "+trainer.max_steps=-1"]
    train(compose("train", resume), overrides=resume[1:])
    one, other = (
        read_checkpoint(tmp_path / run / "checkpoints" / "last.ckpt")["state_dict"]
        for run in ("whole", "run")
    )
    assert all(torch.equal(value, other[key]) for key, value in one.items())
