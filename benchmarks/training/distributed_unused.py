"""Networks that do not use all of their weights, by several processes: for distributed.py."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmarks.reliability.runs import difference as parted
from benchmarks.reliability.runs import final_state, write_data
from benchmarks.training.distributed_runs import Ranks, difference, finish, options, several
from outtake.training.checkpoint_files import read_checkpoint

Facts = dict[str, Any]
# Overrides, weights without a gradient, and whether it drops something at random: of that each
# process has its own draws, so its losses are not those of one.
NETWORKS = {
    "pspnet resnet18": (["model=pspnet", "backbone=resnet18", "model.psp_dropout=0"], 30, False),
    "fcn32s efficientnet-b0": (["model=fcn32s", "backbone=efficientnet-b0"], 3, True),
    "dpt": (["model=dpt"], 4, True),
}
ADVISED = "trainer.strategy.find_unused_parameters=true"


class Now(nn.Module):
    """Uses its second layer in the steps that ``WHEN`` names only."""

    def __init__(self, classes: int, in_channels: int = 3) -> None:
        super().__init__()
        self.always = nn.Conv2d(in_channels, classes, 1)
        self.at_times = nn.Conv2d(in_channels, classes, 1)
        self.calls = 0

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map (B, C, H, W) to logits."""
        self.calls += 1
        later = os.environ["WHEN"] == "later"
        use = self.calls > 3 if later else self.calls % 2 == 0
        return self.always(images) + (self.at_times(images) if use else 0.0)


def unreached(folder: Path, small: bool) -> Facts:
    """Train, resume with the same bits, agree with one process; weights used at times are named."""
    data = write_data(folder / "data", 8, 2)
    facts: Facts = {}
    for name, (net, count, drops) in NETWORKS.items():
        if small and name != "pspnet resnet18":
            continue
        # One step of plain descent an epoch: batch statistics of few pixels make rounding grow.
        given = [o for o in options(data, 2, ema=False) if "model" not in o and "sched" not in o]
        given += ["~scheduler", "data.batch_size=8", "trainer.accumulate_grad_batches=1"]
        given += ["data.eval_batch_size=2", "optimizer=sgd", "optimizer.lr=1e-3", *net]
        place = name.replace(" ", "-")
        alone = finish(given, folder / f"{place}-alone")
        for strategy in ("ddp", "fsdp"):
            both = [*given, *several(strategy)]
            run, where = finish(both, folder / f"{place}-{strategy}", 2), None
            if strategy == "fsdp" or not small:
                again = finish([*both, "trainer.max_epochs=1"], folder / f"{run.name}-again", 2)
                finish([f"resume={again}", "trainer.max_epochs=2"], again, 2)
                where = parted(final_state(run), final_state(again))
            kept = read_checkpoint(run / "checkpoints/last.ckpt")["optimizer_states"][0]
            without = len(kept["param_groups"][0]["params"]) - len(kept["state"])
            loss = difference(alone, run, "train/loss")
            facts[f"{name} {strategy}"] = {
                "parts at": where,
                "train/loss": loss,
                "weights without a gradient": without,
                "ok": where is None and (drops or loss <= 1e-5) and without == count,
            }
    for when in ("later",) if small else ("in turns", "later"):
        facts[f"used {when}"] = _refused(data, folder / when.replace(" ", "-"), when, small)
    return facts


def _refused(data: Path, run: Path, when: str, small: bool) -> Facts:
    given = [o for o in options(data, 3, ema=False) if "model" not in o]
    given += ["model=custom", f"model._target_={__name__}.Now", *several("ddp")]

    def inside(rank: int) -> None:
        os.environ |= {"WHEN": when, "OUTTAKE_ALLOW_TARGETS": __name__}

    ranks = Ranks(given, run, 2, inside=inside)
    codes = ranks.codes()
    lines = [line for log in ranks.logs for line in log.read_text().splitlines()]
    said = [line for line in lines if "error: the network" in line]
    named = [line for line in said if "net.at_times." in line and ADVISED in line]
    if not small:
        # With what the line advises, it trains.
        finish([*given, ADVISED], run.with_name(f"{run.name}-advised"), 2, inside=inside)
    return {
        "exit codes": codes,
        "said": said[:1],
        "ok": codes == [2, 2] and bool(said) and named == said,
    }
