"""Numbers that stop being numbers, memory that is not there, and scores that are scored again."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import Callback
from pytorch_lightning.callbacks import WeightAveraging
from torch import nn

from benchmarks.reliability.runs import DEVICE, begin_or_resume, finish, options, write_data
from outtake.config.compose import compose
from outtake.config.load_trained import find_checkpoint
from outtake.programs.evaluate import evaluate
from outtake.training.callbacks.nan_guard import NanGuard
from outtake.training.checkpoint_files import read_checkpoint
from outtake.training.task import SegmentationTask

NAN, INF = math.nan, math.inf
_AT_STEP = 3
Poison = Callable[[Any, SegmentationTask], object]


def _fill(tensor: torch.Tensor, value: float) -> None:
    with torch.no_grad():
        tensor[(0,) * tensor.ndim] = value


def _output(layer: int | None, value: float, whole: bool = True) -> Poison:
    """Return what spoils the output of a layer (None: of the loss) from now on."""

    def poison(trainer: Any, task: SegmentationTask) -> object:
        module = task.loss if layer is None else task.net[layer]

        def spoiled(_module: Any, _inputs: Any, output: torch.Tensor) -> torch.Tensor:
            if whole:
                return output * value
            output = output.clone()
            output[(0,) * output.ndim] = value
            return output

        return module.register_forward_hook(spoiled)

    return poison


def _gradient(layer: int, value: float) -> Poison:
    def poison(trainer: Any, task: SegmentationTask) -> object:
        weight = task.net[layer].weight
        return weight.register_hook(lambda gradient: torch.full_like(gradient, value))

    return poison


def _moment(name: str, value: float) -> Poison:
    def poison(trainer: Any, task: SegmentationTask) -> object:
        return _fill(next(iter(trainer.optimizers[0].state.values()))[name], value)

    return poison


def _average(trainer: Any) -> torch.nn.Module:
    (found,) = [each for each in trainer.callbacks if isinstance(each, WeightAveraging)]
    return found._average_model.module


def _rate(trainer: Any, task: SegmentationTask) -> object:
    trainer.optimizers[0].param_groups[0]["weight_decay"] = NAN
    return None


PLACES: dict[str, Poison] = {
    "a weight of the first layer, NaN": lambda _, t: _fill(t.net[0].weight, NAN),
    "a weight of the last layer, infinite": lambda _, t: _fill(t.net[4].weight, INF),
    "the bias of the last layer, NaN": lambda _, t: _fill(t.net[4].bias, NAN),
    "the scale of a normalisation, NaN": lambda _, t: _fill(t.net[1].weight, NAN),
    "a running mean, NaN": lambda _, t: _fill(t.net[1].running_mean, NAN),
    "a running variance, infinite": lambda _, t: _fill(t.net[1].running_var, INF),
    "the mean of the images, NaN": lambda _, t: _fill(next(t.normalize.buffers()), NAN),
    "all logits, NaN": _output(4, NAN),
    "all logits, infinite": _output(4, INF),
    "one logit of one sample, NaN": _output(4, NAN, whole=False),
    "one logit of one sample, infinite": _output(4, INF, whole=False),
    "an activation, NaN": _output(2, NAN, whole=False),
    "the loss, NaN": _output(None, NAN),
    "the loss, infinite": _output(None, INF),
    "a gradient of the first layer, NaN": _gradient(0, NAN),
    "a gradient of the last layer, infinite": _gradient(4, INF),
    "the optimizer's first moment, NaN": _moment("exp_avg", NAN),
    "the optimizer's second moment, infinite": _moment("exp_avg_sq", INF),
    "the optimizer's weight decay, NaN": _rate,
    "an averaged weight, NaN": lambda trainer, _: _fill(next(_average(trainer).parameters()), NAN),
}


def non_finite(folder: Path, most: int | None = None) -> Counter[str]:
    """Put a NaN or an infinity in 20 places; each run stops within a step, and says on what."""
    data = write_data(folder / "data")
    tally: Counter[str] = Counter()
    for index, (name, poison) in enumerate(list(PLACES.items())[:most]):
        run, log = folder / str(index), folder / f"{index}.log"
        code = finish(lambda p=poison, r=run: _poisoned(p, r, options(data)), log)
        problem = _problem(run, code)
        tally["stopped in time, batch kept, checkpoints finite" if not problem else "FAILED"] += 1
        if problem:
            tally[f"FAILED: {name}: {problem}"] += 1
    return tally


def _poisoned(poison: Poison, run: Path, overrides: list[str]) -> None:
    """Train, and spoil something at the beginning of a step; note every step that follows."""
    began = NanGuard.on_train_batch_start

    def on_train_batch_start(watch: Callback, trainer: Any, task: Any, *rest: Any) -> None:
        if trainer.global_step == _AT_STEP:
            poison(trainer, task)
        began(watch, trainer, task, *rest)

    NanGuard.on_train_batch_start = on_train_batch_start
    begin_or_resume(run, overrides)


def _problem(run: Path, code: int) -> str:
    if code != 65:
        return f"exit code {code}"
    facts = json.loads((run / "non_finite.json").read_text())
    if not facts["samples"] or len(facts["files"]) != len(facts["samples"]):
        return f"no batch in {facts}"
    if facts["step"] > _AT_STEP + 1:
        return f"stopped at step {facts['step']}"
    for path in run.rglob("*.ckpt"):
        loaded = read_checkpoint(path)
        for part in ("state_dict", "current_model_state", "optimizer_states"):
            if not _finite(loaded.get(part)):
                return f"{path} is not finite in {part}"
    return ""


def _finite(node: Any) -> bool:
    if isinstance(node, torch.Tensor):
        return not node.is_floating_point() or bool(torch.isfinite(node).all())
    if isinstance(node, dict):
        return all(map(_finite, node.values()))
    return all(map(_finite, node)) if isinstance(node, list | tuple) else True


def out_of_memory(folder: Path) -> Counter[str]:
    """Let a forward pass run out of memory, in training and in validation, on GPU and CPU."""
    data = write_data(folder / "data")
    gpu = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
    cpu = RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: not enough memory")
    tally: Counter[str] = Counter()
    for index, (error, training) in enumerate(
        [(gpu, True), (cpu, True), (MemoryError(), True), (gpu, False)]
    ):
        run, log = folder / str(index), folder / f"{index}.log"
        code = finish(lambda e=error, t=training, r=run: _full(e, t, r, options(data)), log)
        lines = [line for line in log.read_text().splitlines() if line.startswith("error:")]
        wanted = ("2 images 3x24x24", "data.batch_size") if training else ("data.eval_batch_size",)
        config = (run / "config.yaml").read_text()
        good = code == 66 and len(lines) == 1 and all(word in lines[0] for word in wanted)
        good &= "batch_size: 2\n" in config and "Traceback" not in log.read_text()
        tally[
            "one line with batch, shape and what to set" if good else f"FAILED: {code}, {log}"
        ] += 1
    return tally


def _full(error: Exception, training: bool, run: Path, overrides: list[str]) -> None:
    run_network = SegmentationTask.run_network

    def full(task: SegmentationTask, net: nn.Module, images: torch.Tensor) -> Any:
        if task.training is training and task.global_step >= _AT_STEP:
            raise error
        return run_network(task, net, images)

    SegmentationTask.run_network = full
    begin_or_resume(run, overrides)


def evaluated(folder: Path) -> Counter[str]:
    """Evaluate finished runs: the logged mIoU, and the logged confusion matrix, exactly."""
    data = write_data(folder / "data")
    tally: Counter[str] = Counter()
    for workers in (0, 2):
        run = folder / str(workers)
        if finish(lambda w=workers, r=run: begin_or_resume(r, options(data, w)), folder / "log"):
            raise RuntimeError(f"see {folder}/log")
        best = json.loads((run / "summary.json").read_text())["best"]
        device = "cuda" if "trainer.accelerator=gpu" in DEVICE else "cpu"
        path = evaluate(compose("evaluate", [f"checkpoint={run}", f"device={device}"]))
        scored = json.loads(path.read_text())
        epoch = int(read_checkpoint(find_checkpoint(run))["epoch"])
        logged = json.loads((run / "confusion" / f"val_epoch_{epoch:04d}.json").read_text())
        good = scored["miou"] == best["val/miou"] and scored["confusion"] == logged["confusion"]
        tally["equal mIoU and confusion matrix" if good else f"FAILED in {run}"] += 1
    return tally
