"""Find a learning rate or a batch size: steps in processes that end, and no run is made."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Mapping
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning import Callback, Trainer, seed_everything
from rich.console import Console
from rich.table import Table

from outtake.config.build_data import build_data
from outtake.config.init_from import read_members_weights
from outtake.config.instantiate import check_targets, resolve_config
from outtake.config.schema import parse
from outtake.config.train_schema import FindBatchSizeOptions, FindRateOptions, TrainOptions
from outtake.core.errors import ConfigError, NonFiniteLossError, OuttakeError
from outtake.core.files import check_folder
from outtake.core.memory import free_memory_bytes, peak_memory_bytes
from outtake.core.oom import is_out_of_memory
from outtake.drawing.label_pictures import save_png
from outtake.drawing.rate_chart import draw_rate_chart
from outtake.programs.library_warnings import quiet_libraries
from outtake.programs.train import build_training_task
from outtake.programs.trial_steps import StepClock, run_steps
from outtake.training.initial_weights import load_into_members
from outtake.training.rate_range import RateRange, smooth_losses, suggest_rate

MIB = 2**20
_KINDS = {"lr": FindRateOptions, "batch_size": FindBatchSizeOptions}


def find_settings(cfg: DictConfig) -> float:
    """Find what ``find`` of ``conf/train.yaml`` asks for, and print it.

    Returns:
        The rate or the size.

    Raises:
        OuttakeError: The config or the data cannot work, or nothing was found.
    """
    quiet_libraries()
    tree = resolve_config(cfg)
    check_targets(tree)
    parse(TrainOptions, tree)
    kind = str((tree["find"] or {}).get("kind"))
    if kind not in _KINDS:
        raise ConfigError(f"find={tree['find']}: use find=lr or find=batch_size")
    if kind == "lr":
        return find_rate(tree, parse(FindRateOptions, tree["find"], "find"))
    return find_batch_size(tree, parse(FindBatchSizeOptions, tree["find"], "find"))


def find_rate(tree: dict[str, Any], options: FindRateOptions) -> float:
    """Raise the rate until the loss explodes; write the chart and return the suggestion.

    Raises:
        ConfigError: The loss falls at no rate.
    """
    if options.output.suffix != ".png":
        raise ConfigError(f"find.output={options.output}: give a name that ends in .png")
    check_folder(options.output.parent)
    found = run_in_process(_measure_rates, tree, options)
    if found is None:
        raise ConfigError(
            "find=lr: the process of the steps was killed, as where memory is full; set a smaller "
            "data.batch_size"
        )
    rates, losses = found["rates"], found["losses"]
    if len(losses) < 3:
        raise ConfigError(
            f"find.lowest={options.lowest}: the loss is not finite after {len(losses)} steps; "
            "set it lower"
        )
    suggestion = suggest_rate(rates, losses)
    title = f"{tree['data']['name']}: loss over {len(losses)} steps of rising learning rate"
    chart = draw_rate_chart(rates, losses, smooth_losses(losses), suggestion, title)
    save_png(options.output, chart)
    if suggestion is None:
        raise ConfigError(
            f"find=lr: the loss falls at no rate from {options.lowest:g} to {options.highest:g}; "
            f"see {options.output}, and set another find.lowest, or more find.steps"
        )
    print(f"optimizer.lr={suggestion:.2g}   (where the loss falls most steeply; {options.output})")
    return suggestion


def find_batch_size(tree: dict[str, Any], options: FindBatchSizeOptions) -> int:
    """Double the batch until it does not fit, then halve the gap; print a table.

    A size of which the ones before say that it cannot fit into this machine's memory is not tried.

    Raises:
        ConfigError: Not even one image fits.
    """
    free = free_memory_bytes()
    limit = None if free is None else int(free * options.memory_share)
    tried: dict[int, dict[str, Any] | None] = {}

    def fits(size: int) -> bool:
        if _predict_peak(tried, size) > (limit or float("inf")):
            return False
        tree["data"]["batch_size"] = size
        tried[size] = run_in_process(_measure_batch, tree, options)
        found = tried[size]
        return found is not None and (
            found["device"] != "cpu" or limit is None or found["peak_bytes"] <= limit
        )

    best = search_largest(fits, options.highest)
    _print_sizes(tried, best, limit)
    if best == 0:
        raise ConfigError(
            "find=batch_size: not even one image fits; set a smaller data.short_side or data.crop"
        )
    print(f"data.batch_size={best}")
    return best


def search_largest(fits: Callable[[int], bool], highest: int) -> int:
    """Return the largest size that fits, to an eighth, of 1 to ``highest``; 0 if 1 does not."""
    good, bad = 0, None
    while bad is None and good < highest:
        size = min(max(2 * good, 1), highest)
        good, bad = (size, None) if fits(size) else (good, size)
    while bad is not None and bad - good > max(1, good // 8):
        middle = (good + bad) // 2
        good, bad = (middle, bad) if fits(middle) else (good, middle)
    return good


def _predict_peak(tried: Mapping[int, dict[str, Any] | None], size: int) -> float:
    """Return the memory that a size will take on a CPU, by a line through the last two below."""
    known = [(n, found) for n, found in sorted(tried.items()) if found is not None and n < size]
    if len(known) < 2 or known[-1][1]["device"] != "cpu":
        return 0.0
    (small, less), (large, more) = known[-2:]
    slope = (more["peak_bytes"] - less["peak_bytes"]) / (large - small)
    return float(more["peak_bytes"] + max(slope, 0) * (size - large))


def _print_sizes(tried: Mapping[int, dict[str, Any] | None], best: int, limit: int | None) -> None:
    table = Table(title="training steps by batch size")
    for name in ("data.batch_size", "images/s", "peak MiB", ""):
        table.add_column(name, justify="right")
    for size, found in sorted(tried.items()):
        note = "the largest" if size == best else "too large" if size > best else ""
        if found is None:
            table.add_row(str(size), "-", "-", "out of memory")
        else:
            peak = f"{found['peak_bytes'] / MIB:.0f}"
            table.add_row(str(size), f"{found['images_per_second']:.1f}", peak, note)
    console = Console()
    console.print(table)
    device = next((found["device"] for found in tried.values() if found), "cpu")
    if limit is not None and device == "cpu":
        console.print(f"limit: {limit / MIB:.0f} MiB (find.memory_share of what is free)")


def run_in_process(
    work: Callable[[DictConfig, Any], dict[str, Any]],
    tree: dict[str, Any],
    options: Any,
) -> dict[str, Any] | None:
    """Run a function in a process that ends, and return its result; None if it was killed.

    Args:
        work: A function of a module, of the config and the options.
        tree: The config, resolved.
        options: The options.

    Raises:
        OuttakeError: The function raised one.
    """
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_work_and_send, args=(sender, work, tree, options))
    process.start()
    sender.close()
    result: dict[str, Any] | OuttakeError | None = None
    try:
        with suppress(EOFError):
            result = receiver.recv()
    finally:
        process.join()
    if isinstance(result, OuttakeError):
        raise result
    return result


def _work_and_send(
    sender: Connection, work: Callable[..., dict[str, Any]], tree: dict[str, Any], options: Any
) -> None:
    quiet_libraries()
    try:
        sender.send(work(OmegaConf.create(tree), options))
    except OuttakeError as error:
        sender.send(ConfigError(str(error)))
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        sender.send(None)


def _measure_rates(cfg: DictConfig, options: FindRateOptions) -> dict[str, Any]:
    sweep = RateRange(options.lowest, options.highest, options.steps)
    try:
        _fit(cfg, options.steps, sweep)
    except NonFiniteLossError:
        del sweep.rates[len(sweep.losses) :]
    return {"rates": sweep.rates, "losses": sweep.losses}


def _measure_batch(cfg: DictConfig, options: FindBatchSizeOptions) -> dict[str, Any]:
    cfg.data.samples_per_epoch = int(cfg.data.batch_size) * options.steps
    clock = StepClock()
    trainer = _fit(cfg, options.steps, clock)
    device = trainer.strategy.root_device
    on_cuda = device.type == "cuda"
    return {
        "device": device.type,
        "images_per_second": int(cfg.data.batch_size) / clock.seconds_per_step(),
        "peak_bytes": torch.cuda.max_memory_reserved(device) if on_cuda else peak_memory_bytes(),
    }


def _fit(cfg: DictConfig, steps: int, callback: Callback) -> Trainer:
    seed_everything(int(cfg.seed), workers=True, verbose=False)
    cfg.scheduler = None
    data = build_data(cfg)
    data.setup("fit")
    options = parse(TrainOptions, resolve_config(cfg))
    task = build_training_task(cfg, data, options.parameter_options())
    if options.init_from:
        load_into_members(task, read_members_weights(options.init_from), data.channels)
    batches_per_step = int(cfg.trainer.get("accumulate_grad_batches") or 1)
    return run_steps(cfg, task, data, steps, callback, batches_per_step)
