"""A training run of a second or two, started by fork, for the proofs that need hundreds of them."""

from __future__ import annotations

import faulthandler
import gc
import os
import signal
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from outtake.config.compose import compose
from outtake.core.errors import OuttakeError
from outtake.programs.train import train
from outtake.runs.metrics_diff import TIMING_KEYS, read_records
from outtake.training.checkpoint_files import read_checkpoint

LAYERS = (
    "["
    "{_target_:torch.nn.Conv2d,in_channels:3,out_channels:6,kernel_size:3,padding:1},"
    "{_target_:torch.nn.BatchNorm2d,num_features:6},{_target_:torch.nn.ReLU},"
    "{_target_:torch.nn.Dropout2d,p:0.3},"
    "{_target_:torch.nn.Conv2d,in_channels:6,out_channels:2,kernel_size:1}]"
)

# Where the runs train; the proofs on another device replace it.
DEVICE = ["trainer.accelerator=cpu"]


def write_data(
    root: Path, train: int = 8, val: int = 4, size: int = 32, *, unlabelled: bool = False
) -> Path:
    """Write image and mask pairs of ``size`` pixels squared, always the same.

    With ``unlabelled``, a part of each mask has no label, of each another share.
    """
    dice = np.random.default_rng(0)
    for split, count in (("train", train), ("val", val)):
        for kind in ("images", "masks"):
            (root / split / kind).mkdir(parents=True)
        for index in range(count):
            mask = np.zeros((size, size), np.uint8)
            x, y = dice.integers(0, size // 2, 2)
            mask[y : y + size // 2, x : x + size // 2] = 1
            image = dice.integers(40, 120, (size, size, 3)) + 90 * mask[..., None]
            if unlabelled:
                mask[: int(dice.integers(0, size - 8))] = 255
            cv2.imwrite(str(root / split / "images" / f"{index}.png"), image.astype(np.uint8))
            cv2.imwrite(str(root / split / "masks" / f"{index}.png"), mask)
    (root / "classes.yaml").write_text("names: [ground, thing]\n")
    return root


def options(data: Path, workers: int = 0, epochs: int = 2) -> list[str]:
    """Return overrides for a run with everything in it that has a state."""
    return [
        "data=folder",
        f"data.root={data}",
        "data.batch_size=2",
        f"data.workers={workers}",
        "data.crop=[24,24]",
        "model=custom",
        "model._target_=torch.nn.Sequential",
        f"+model._args_={LAYERS}",
        "scheduler=one_cycle",
        "callbacks=none",
        "+callbacks.rate._target_=pytorch_lightning.callbacks.LearningRateMonitor",
        "+callbacks.ema._target_=outtake.training.callbacks.ema.ExponentialMovingAverage",
        "+callbacks.ema.decay=0.9",
        "+callbacks.patience._target_=outtake.training.callbacks.early_stopping.EarlyStopping",
        "+callbacks.patience.monitor=val/miou",
        "+callbacks.patience.mode=max",
        "+callbacks.patience.patience=50",
        "logger=none",
        *DEVICE,
        "+trainer.enable_progress_bar=false",
        "trainer.log_every_n_steps=1",
        f"trainer.max_epochs={epochs}",
        "checkpoint_every_n_steps=1",
    ]


def begin_or_resume(run: Path, overrides: Sequence[str]) -> float:
    """Train in a run folder: resume if there is a checkpoint, else begin."""
    if (run / "checkpoints" / "last.ckpt").is_file():
        return train(compose("train", [f"resume={run}"]), overrides=[f"resume={run}"])
    if run.exists():  # ended before anything was saved
        run.rename(run.with_name(f"{run.name}.{time.monotonic_ns()}"))
    return train(compose("train", list(overrides)), run, overrides)


def start(work: Callable[[], object], log: Path) -> int:
    """Run something in a forked process that exits as a program of ours would; return its pid."""
    gc.collect()  # a loader that waits to be collected cannot be in the other process
    gc.freeze()  # else the other would copy every page of what is shared, to count references
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        with log.open("a") as file, redirect_stdout(file), redirect_stderr(file):
            faulthandler.enable(file)
            torch.set_num_threads(1)
            code = exit_code(work)
    finally:
        os._exit(code)


def exit_code(work: Callable[[], object]) -> int:
    """Run something; return the code with which a program that does so would exit."""
    try:
        work()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    except OuttakeError as error:
        print(f"error: {error}")
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except BaseException:
        print(traceback.format_exc())
        return 1
    return 0


def wait(pid: int, timeout_s: float | None = 120.0) -> int | None:
    """Return the exit code of a process (minus its fatal signal), None while it still runs."""
    until_s = time.monotonic() + (timeout_s or 0.0)
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        if timeout_s is not None and time.monotonic() >= until_s:
            return None
        time.sleep(0.002)


def finish(work: Callable[[], object], log: Path) -> int:
    """Run something in a forked process to its end and return the exit code."""
    pid = start(work, log)
    code = wait(pid)
    if code is None:
        os.kill(pid, signal.SIGABRT)  # faulthandler writes where each thread stands
        if wait(pid, 10.0) is None:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        raise TimeoutError(f"a run did not end, see {log}")
    return code


def records(run: Path) -> list[dict[str, Any]]:
    """Return the records of ``metrics.jsonl`` without what a clock has measured."""
    return [
        {key: value for key, value in record.items() if key not in TIMING_KEYS}
        for record in read_records(run / "metrics.jsonl")
    ]


def final_state(run: Path) -> dict[str, Any]:
    """Return everything of a finished run that an uninterrupted one must have equal."""
    last = read_checkpoint(run / "checkpoints" / "last.ckpt")
    best = read_checkpoint(run / "checkpoints" / "best.ckpt")
    last["resume"].pop("loggers")  # lengths of files that hold times
    for key in TIMING_KEYS:
        last["resume"]["watched"].pop(key, None)
    last["callbacks"] = {
        name: {k: v for k, v in state.items() if "path" not in k and k not in ("dirpath",)}
        for name, state in last["callbacks"].items()
    }
    last["callbacks"].pop("Throughput")  # times
    for state in last["callbacks"].values():
        state.pop("best_k_models", None)
        state.pop("current_score", None)  # Lightning writes it and never reads it
    last["loops"] = {"fit_loop": last["loops"]["fit_loop"]}
    last["loops"]["fit_loop"].pop("epoch_loop.val_loop.batch_progress", None)
    last.pop("outtake")
    return {"last": last, "best": best["state_dict"], "metrics": records(run)}


def difference(one: Any, other: Any, where: str = "") -> str | None:
    """Return where two nested states part, bit for bit; None if they are equal."""
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        return None if one.dtype == other.dtype and torch.equal(one, other) else where
    if type(one) is not type(other):
        return where
    if isinstance(one, dict):
        if one.keys() != other.keys():
            return f"{where} has other keys: {sorted(map(str, one.keys() ^ other.keys()))}"
        pairs = [(key, one[key], other[key]) for key in one]
    elif isinstance(one, list | tuple):
        if len(one) != len(other):
            return f"{where} has {len(one)} and {len(other)} items"
        pairs = [(index, *both) for index, both in enumerate(zip(one, other, strict=True))]
    else:
        return None if one == other else f"{where}: {one} and {other}"
    found = (difference(a, b, f"{where}.{key}") for key, a, b in pairs)
    return next((each for each in found if each is not None), None)
