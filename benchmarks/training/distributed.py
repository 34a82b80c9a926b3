"""Several processes train as one: ``python -m benchmarks.training.distributed``.

A few minutes on a CPU.

Prints one line for each proof, and ends with 1 if one is broken. ``--small`` is what the test suite
runs; ``--json PATH`` writes the same as JSON. Processes talk over gloo on 127.0.0.1.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmarks.reliability import program_imports as program_imports
from benchmarks.reliability.runs import difference as parted
from benchmarks.reliability.runs import final_state, start, wait, write_data
from benchmarks.training.distributed_runs import (
    Ranks,
    confusions,
    difference,
    files,
    finish,
    options,
    several,
    srun,
    values,
)
from benchmarks.training.distributed_unused import unreached
from outtake.config.compose import compose
from outtake.programs.evaluate import evaluate
from outtake.training.checkpoint_files import read_checkpoint
from outtake.training.task import SegmentationTask

ROOT = Path(__file__).resolve().parents[2]
LOSS_TOLERANCE = 1e-5
Facts = dict[str, Any]


def curves(folder: Path, small: bool) -> Facts:
    """The same global batch: losses to 1e-5, confusion matrices equal, the same files."""
    data, epochs = write_data(folder / "data", 23, 5, unlabelled=True), 2 if small else 20
    alone = finish(options(data, epochs), folder / "alone")
    plain = finish(options(data, epochs, ema=False), folder / "plain")
    facts: Facts = {"steps": len(values(alone, "train/loss"))}
    cases = [("ddp", 2, "cross_entropy", alone), ("fsdp", 2, "cross_entropy", plain)]
    if not small:
        cases += [("ddp", 3, "cross_entropy", alone), ("fsdp", 3, "cross_entropy", plain)]
    dice = finish([*options(data, epochs), "loss=cross_entropy_dice"], folder / "alone-dice")
    cases += [("ddp", 2, "cross_entropy_dice", dice)]
    for strategy, count, loss, wanted in cases:
        run = folder / f"{strategy}-{count}-{loss}"
        given = [*options(data, epochs, ema=strategy == "ddp"), *several(strategy), f"loss={loss}"]
        finish(given, run, count)
        facts[run.name] = _compare(wanted, run)
    return facts


def networks(folder: Path, small: bool) -> Facts:
    """Networks of the library, in float64: in float32 rounding grows with every step of Adam.

    Lightning's sharded strategies have no float64: a few steps of plain descent.
    """
    facts: Facts = {}
    scenes = ["data=scenes", "data.source.height=64", "data.source.width=96", "data.workers=0"]
    scenes += ["data.source.clips={train:3,val:2,test:1}", "data.source.frames_per_clip=4"]
    scenes += ["data.crop=[64,64]", "data.batch_size=6", "data.eval_batch_size=3", "logger=none"]
    scenes += ["callbacks=none", "+trainer.enable_progress_bar=false", "trainer.accelerator=cpu"]
    scenes += ["trainer.log_every_n_steps=1"]
    ways = {
        "ddp": ["trainer.precision=64-true", "trainer.max_epochs=4"],
        "fsdp": ["optimizer=sgd", "optimizer.lr=1e-4", "trainer.max_epochs=2"],
    }
    for name, net in {
        "fcn8s resnet18": ["model=fcn8s", "backbone=resnet18", "model.dropout=0"],
        "fpn regnetx_004": ["model=fpn", "backbone=regnetx_004", "model.decoder_dropout=0"],
    }.items():
        place = name.replace(" ", "-")
        for strategy, way in ways.items():
            given = [*scenes, *net, *way]
            alone = finish(given, folder / f"{place}-{strategy}-alone")
            run = finish([*given, *several(strategy)], folder / f"{place}-{strategy}", 2)
            facts[f"{name} {strategy}"] = _compare(alone, run)
    return facts


def _compare(wanted: Path, run: Path) -> Facts:
    scored = evaluate(compose("evaluate", [f"checkpoint={run}", "device=cpu", "report=false"]))
    metrics = json.loads(scored.read_text())
    best = max(range(len(values(run, "val/miou"))), key=lambda at: values(run, "val/miou")[at])
    predicted = sum(map(any, zip(*confusions(run)[-1], strict=True)))
    pictures = [name for name in files(wanted) if name.startswith("images/val")]
    return {
        "train/loss": max(difference(wanted, run, f"train/loss{end}") for end in ("", "_epoch")),
        "val/loss": difference(wanted, run, "val/loss"),
        "val/miou": difference(wanted, run, "val/miou"),
        "confusion equal": confusions(wanted) == confusions(run),
        "confusion of one process on the checkpoint equal": metrics["confusion"]
        == confusions(run)[best],
        "pictures equal": all(
            (wanted / name).read_bytes() == (run / name).read_bytes() for name in pictures
        ),
        "files equal": _named(wanted) == _named(run),
        "classes predicted": predicted,
        "ok": predicted > 1
        and difference(wanted, run, "train/loss") <= LOSS_TOLERANCE
        and difference(wanted, run, "val/miou") == 0.0
        and confusions(wanted) == confusions(run)
        and metrics["confusion"] == confusions(run)[best]
        and _named(wanted) == _named(run),
    }


def _named(run: Path) -> list[str]:
    return [name for name in files(run) if not name.startswith("evaluation")]


def few_images(folder: Path, small: bool) -> Facts:
    """One validation image for three processes: nobody waits in vain, it counts once."""
    data = write_data(folder / "data", 8, 1, unlabelled=True)
    alone = finish(options(data, 1), folder / "alone")
    run = finish([*options(data, 1), *several("ddp")], folder / "three", 3)
    loss = difference(alone, run, "train/loss")
    return {
        "train/loss": loss,
        "ok": confusions(alone) == confusions(run) and loss <= LOSS_TOLERANCE,
    }


def resumption(folder: Path, small: bool) -> Facts:
    """SIGTERM to one process ends all after the same step; going on is exact, by others near."""
    data = write_data(folder / "data", 23, 5, unlabelled=True)
    facts: Facts = {}
    for strategy in ("ddp",) if small else ("ddp", "fsdp"):
        given = [*options(data, 3, dropout=True, ema=strategy == "ddp"), *several(strategy)]
        whole = finish(given, folder / f"{strategy}-whole", 2)
        for receiver in (1,) if small else (0, 1):
            run = folder / f"{strategy}-receiver-{receiver}"
            end = _signalled(receiver, signal.SIGTERM, at=11)
            codes = Ranks(given, run, 2, inside=end).codes()
            step = read_checkpoint(run / "checkpoints/last.ckpt")["global_step"]
            again = [f"resume={run}"]
            finish(again, run, 2)
            # The dashboards' place and the like are not of the training.
            where = parted(final_state(whole), final_state(run))
            facts[f"{strategy}, receiver {receiver}"] = {
                "exit codes": codes,
                "stopped at step": step,
                "parts at": where,
                "ok": codes == [143, 143] and where is None and 0 < step < 15,
            }
    if small:
        return facts
    plain = [*options(data, 3), *several("ddp")]
    whole = finish(plain, folder / "plain-whole", 2)
    run = folder / "plain"
    codes = Ranks(plain, run, 2, inside=_signalled(1, signal.SIGTERM, at=6)).codes()
    done = len(values(run, "train/loss"))
    finish([f"resume={run}"], run, 3)
    loss = difference(whole, run, "train/loss")
    facts["by three processes"] = {
        "exit codes": codes,
        "steps by two": done,
        "steps by three": len(values(run, "train/loss")) - done,
        "train/loss": loss,
        "ok": codes == [143, 143] and loss <= LOSS_TOLERANCE,
    }
    return facts


def _signalled(receiver: int, number: int, at: int) -> Callable[[int], None]:
    """Let a rank send itself a signal in one of its training steps."""

    def inside(rank: int) -> None:
        steps: list[int] = []
        former = SegmentationTask.training_step

        def step(task: SegmentationTask, *arguments: Any) -> Any:
            steps.append(0)
            if rank == receiver and len(steps) == at:
                os.kill(os.getpid(), number)
            return former(task, *arguments)

        SegmentationTask.training_step = step

    return inside


def failures(folder: Path, small: bool) -> Facts:
    """NaN on one process, and one that is killed: all end, with one line."""
    data = write_data(folder / "data", 23, 5, unlabelled=True)
    given = [*options(data, 3), *several("ddp")]

    def infect(rank: int) -> None:
        former = SegmentationTask.run_network

        def run_network(task: SegmentationTask, net: nn.Module, images: torch.Tensor) -> Any:
            bad = rank == 1 and task.training and task.global_step == 2
            return former(task, net, images) * (float("nan") if bad else 1.0)

        SegmentationTask.run_network = run_network

    ranks = Ranks(given, folder / "nan", 2, inside=infect)
    codes = ranks.codes()
    record = json.loads((folder / "nan" / "non_finite.json").read_text())
    facts: Facts = {
        "NaN": {
            "exit codes": codes,
            "samples": len(record["samples"]),
            # Of 5 the second process has 2.
            "ok": codes == [65, 65] and len(record["samples"]) == 2 and record["step"] == 2,
        }
    }
    for killed in (1,) if small else (0, 1):
        ranks = Ranks(
            given,
            folder / f"killed-{killed}",
            2,
            inside=_signalled(killed, signal.SIGKILL, at=6),
        )
        began_s = time.monotonic()
        codes = ranks.codes()
        lines = [
            line
            for log in ranks.logs
            for line in log.read_text().splitlines()
            if line.startswith("error: another process of this run is gone")
        ]
        facts[f"process {killed} killed"] = {
            "exit codes": codes,
            "seconds": round(time.monotonic() - began_s, 1),
            "ok": codes[killed] == -9 and codes[1 - killed] == 69 and len(lines) == 1,
        }
    return facts


def slurm(folder: Path, small: bool) -> Facts:
    """SIGUSR1 in a job of two machines: saved, requeued once, resumed by the same command."""
    data = write_data(folder / "data", 23, 5, unlabelled=True)
    tool, said = folder / "bin" / "scontrol", folder / "requeued"
    tool.parent.mkdir()
    tool.write_text(f'#!/bin/sh\necho "$@" >> {said}\n')
    tool.chmod(tool.stat().st_mode | stat.S_IXUSR)

    def inside(rank: int) -> None:
        os.environ["PATH"] = f"{tool.parent}:{os.environ['PATH']}"
        if not said.is_file():
            _signalled(1, signal.SIGUSR1, at=6)(rank)

    given = [*options(data, 3, dropout=True), *several("ddp"), "resume=auto"]
    run, whole = folder / "run", folder / "whole"
    first = Ranks(given, run, 2, environment=srun, inside=inside).codes()
    second = Ranks(given, run, 2, environment=srun, inside=inside).codes()
    finish(given, whole, 2, environment=srun)
    requeued = said.read_text().split("\n")[:-1]
    where = parted(final_state(whole), final_state(run))
    return {
        "exit codes": [first, second],
        "scontrol": requeued,
        "parts at": where,
        "ok": first == [138, 138]
        and second == [0, 0]
        and requeued == ["requeue 77"]
        and where is None,
    }


def commands(folder: Path, small: bool) -> Facts:
    """``train.py trainer=ddp`` and torchrun: the real commands."""
    data = write_data(folder / "data", 23, 5, unlabelled=True)
    given = [*options(data, 1), "trainer=ddp", f"paths.runs={folder}"]
    # Options of the trainer's group are set again by it.
    ways = {"train.py": [sys.executable, "train.py", "trainer.devices=2"]}
    if not small:
        here = str(Path(sys.executable).parent / "torchrun")
        ways["torchrun"] = [here, "--nproc-per-node", "2", "train.py"]
    finish(options(data, 1), folder / "alone")
    facts: Facts = {}
    for name, (*command,) in ways.items():
        run = folder / name
        done = subprocess.run(
            [*command, *given, f"name={name}"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=180,
            stdin=subprocess.DEVNULL,
        )
        loss = difference(folder / "alone", run, "train/loss") if not done.returncode else None
        facts[name] = {
            "exit code": done.returncode,
            "train/loss": loss,
            "said": done.stderr[-400:] if done.returncode else "",
            "ok": done.returncode == 0
            and loss is not None
            and loss <= LOSS_TOLERANCE
            and _named(run) == _named(folder / "alone"),
        }
    return facts


PROOFS = {
    "curves": curves,
    "networks": networks,
    "few_images": few_images,
    "resumption": resumption,
    "failures": failures,
    "unreached": unreached,
    "slurm": slurm,
    "commands": commands,
}
SMALL = tuple(name for name in PROOFS if name != "networks")


def main() -> int:
    """Run the proofs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("proofs", nargs="*", choices=[*PROOFS, []], default=[])
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    facts: Facts = {}
    for name in given.proofs or (SMALL if given.small else PROOFS):
        with tempfile.TemporaryDirectory() as folder:
            began_s = time.monotonic()
            found = _in_a_process(PROOFS[name], Path(folder), given.small)
            print(f"{name} ({time.monotonic() - began_s:.0f} s)")
            for key, value in found.items():
                print(f"  {key}: {value}", flush=True)
            facts[name] = found
    if given.json:
        given.json.write_text(json.dumps(facts))
    broken = [name for name, found in facts.items() if not holds(found)]
    print(f"broken: {', '.join(broken)}" if broken else "all hold")
    return bool(broken)


def _in_a_process(proof: Callable[[Path, bool], Facts], folder: Path, small: bool) -> Facts:
    """Run a proof in a fork, so that this process never starts threads that a fork would miss."""
    place = folder / "facts.json"

    def work() -> None:
        place.write_text(json.dumps(proof(folder, small)))

    pid = start(work, folder / "log")
    code = wait(pid, 900.0)
    if code is None:
        os.kill(pid, signal.SIGKILL)
    if code != 0:
        return {"failed": (folder / "log").read_text()[-3000:], "ok": False}
    facts: Facts = json.loads(place.read_text())
    return facts


def holds(found: Facts) -> bool:
    """Tell whether every promise among some facts is kept."""
    return all(
        holds(value) if isinstance(value, dict) else value is True
        for key, value in found.items()
        if isinstance(value, dict) or key == "ok"
    )


if __name__ == "__main__":
    sys.exit(main())
